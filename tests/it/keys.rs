//! Every kind of key, and tables with unusual names, from one device to the other and back.

use ditto_sync::{DittoAdapter, SyncRegistry};

use crate::devices::Pair;

#[derive(DittoAdapter)]
#[ditto(collection = "counters")]
struct Counter {
    #[ditto(id)]
    id: i64,
    label: Option<String>,
}

#[tokio::test]
async fn integer_keys_travel_even_when_sqlite_assigns_them() {
    let schema = "CREATE TABLE counters (id INTEGER PRIMARY KEY, label TEXT)";
    let pair = Pair::new(schema, || SyncRegistry::new().with::<Counter>()).await;
    pair.on_left("INSERT INTO counters (label) VALUES ('first'), ('second')")
        .await;
    let select = "SELECT quote(id), quote(label) FROM counters ORDER BY id";
    pair.both_hold(select, &["1,'first'", "2,'second'"]).await;
    pair.on_right(
        "INSERT INTO counters (label) VALUES ('third'); UPDATE counters SET label = NULL WHERE id = 1",
    )
    .await;
    pair.on_right("INSERT INTO counters VALUES (-9223372036854775808, 'least')")
        .await;
    pair.both_hold(
        select,
        &[
            "-9223372036854775808,'least'",
            "1,NULL",
            "2,'second'",
            "3,'third'",
        ],
    )
    .await;
    pair.close().await;
}

#[tokio::test]
async fn a_changed_key_is_a_delete_and_an_insert() {
    let schema = "CREATE TABLE counters (id INTEGER PRIMARY KEY, label TEXT)";
    let pair = Pair::new(schema, || SyncRegistry::new().with::<Counter>()).await;
    pair.on_left("INSERT INTO counters VALUES (1, 'a'), (2, 'b')")
        .await;
    let select = "SELECT quote(id), quote(label) FROM counters ORDER BY id";
    pair.in_step(select).await;
    pair.on_right("UPDATE counters SET id = 7 WHERE id = 1").await;
    pair.both_hold(select, &["2,'b'", "7,'a'"]).await;
    pair.on_left("UPDATE OR REPLACE counters SET id = 2 WHERE id = 7")
        .await;
    pair.both_hold(select, &["2,'a'"]).await;
    pair.close().await;
}

#[derive(DittoAdapter)]
#[ditto(collection = "lines", rename_all = "camelCase")]
struct Line {
    #[ditto(id)]
    receipt_id: String,
    #[ditto(id)]
    line_no: i64,
    amount: f64,
    #[ditto(counter)]
    pieces: i64,
}

const LINES: &str =
    "SELECT quote(receipt_id), quote(line_no), quote(amount), quote(pieces) FROM lines ORDER BY 1, 2";

#[tokio::test]
async fn composite_keys_travel() {
    let schema = "CREATE TABLE lines (receipt_id TEXT NOT NULL, line_no INTEGER NOT NULL, amount REAL NOT NULL, pieces INTEGER NOT NULL, \
                  PRIMARY KEY (receipt_id, line_no))";
    lines_travel(schema).await;
}

#[tokio::test]
async fn tables_without_rowid_travel() {
    let schema = "CREATE TABLE lines (receipt_id TEXT NOT NULL, line_no INTEGER NOT NULL, amount REAL NOT NULL, pieces INTEGER NOT NULL, \
                  PRIMARY KEY (receipt_id, line_no)) WITHOUT ROWID";
    lines_travel(schema).await;
}

async fn lines_travel(schema: &str) {
    let pair = Pair::new(schema, || SyncRegistry::new().with::<Line>()).await;
    pair.on_left("INSERT INTO lines VALUES ('r', 1, 9.99, 1), ('r', 2, 0.1, 2), ('s', 1, 3, 3)")
        .await;
    pair.in_step(LINES).await;
    pair.on_right("UPDATE lines SET pieces = pieces + 5 WHERE receipt_id = 'r'; DELETE FROM lines WHERE receipt_id = 's'").await;
    pair.both_hold(LINES, &["'r',1,9.99,6", "'r',2,0.1,7"]).await;
    pair.close().await;
}

#[derive(DittoAdapter)]
#[ditto(collection = "order", table = "my order.lines of \"1\"")]
struct Odd {
    #[ditto(id, column = "group")]
    key: String,
    #[ditto(column = "select x")]
    selected: Option<String>,
    #[ditto(column = "a.b\"c")]
    dotted: i64,
}

#[tokio::test]
async fn names_with_dots_spaces_quotes_and_keywords_are_only_names() {
    let table = "\"my order.lines of \"\"1\"\"\"";
    let schema = format!(
        "CREATE TABLE {table} (\"group\" TEXT PRIMARY KEY NOT NULL, \"select x\" TEXT, \"a.b\"\"c\" INTEGER NOT NULL)"
    );
    let pair = Pair::new(&schema, || SyncRegistry::new().with::<Odd>()).await;
    pair.on_left(&format!(
        "INSERT INTO {table} VALUES ('x'' OR 1=1 --', 'it''s', 1), ('`\"', NULL, 2)"
    ))
    .await;
    let select =
        format!("SELECT quote(\"group\"), quote(\"select x\"), quote(\"a.b\"\"c\") FROM {table} ORDER BY 3");
    pair.both_hold(&select, &["'x'' OR 1=1 --','it''s',1", "'`\"',NULL,2"])
        .await;
    pair.on_right(&format!(
        "UPDATE {table} SET \"select x\" = 'y'; DELETE FROM {table} WHERE \"a.b\"\"c\" = 1"
    ))
    .await;
    pair.both_hold(&select, &["'`\"','y',2"]).await;
    pair.close().await;
}
