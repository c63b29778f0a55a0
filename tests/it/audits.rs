//! Comparing tables with the store, and mending what differs.

use ditto_sync::{DifferenceKind, DittoAdapter, SyncRegistry};

use crate::devices::{PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: i64,
    product: String,
    #[ditto(counter)]
    quantity: i64,
}

const SCHEMA: &str =
    "CREATE TABLE stocks (id INTEGER PRIMARY KEY NOT NULL, product TEXT NOT NULL, quantity INTEGER NOT NULL)";
const STOCKS: &str = "SELECT quote(id), quote(product), quote(quantity) FROM stocks ORDER BY id";
const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO stocks SELECT i, 'product ' || i, i FROM n";

/// Runs SQL that no trigger sees, while everything runs.
async fn behind_the_back(pair: &Pair, sql: &str) {
    let triggers: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'stocks'")
            .fetch_all(pair.left.pool())
            .await
            .expect("the triggers");
    let mut script = String::from("BEGIN IMMEDIATE;");
    for (name, _) in &triggers {
        script += &format!("DROP TRIGGER \"{name}\";");
    }
    script += sql;
    for (_, create) in &triggers {
        script += &format!("; {create}");
    }
    script += "; COMMIT;";
    let mut connection = pair.left.pool().acquire().await.expect("a connection");
    sqlx::raw_sql(sqlx::AssertSqlSafe(script))
        .execute(&mut *connection)
        .await
        .expect("the script runs");
}

#[tokio::test]
async fn an_audit_finds_exactly_what_changed_unseen_and_a_repair_mends_it() {
    let pair = Pair::new(SCHEMA, || SyncRegistry::new().with::<Stock>()).await;
    pair.on_left(MANY).await;
    let agreed = pair.in_step(STOCKS).await;
    let clean = pair.left.sync.audit().await.expect("an audit");
    assert_eq!(
        (clean.compared, clean.skipped, clean.differences.len()),
        (3000, 0, 0)
    );

    let change =
        "UPDATE stocks SET product = 'wrong', quantity = 0 WHERE id = 7; DELETE FROM stocks WHERE id = 9";
    behind_the_back(&pair, change).await;
    let writes = pair.left.store.operations_applied();
    let report = pair.left.sync.audit().await.expect("an audit");
    let mut found: Vec<_> = report
        .differences
        .iter()
        .map(|difference| {
            let fields: Vec<_> = difference.fields.iter().map(|field| field.field).collect();
            (format!("{:?}", difference.id), difference.kind, fields)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let id = |id| format!("{:?}", ditto_sync::DocumentId::integer(id));
    let expected = [
        (id(7), DifferenceKind::Changed, vec!["product", "quantity"]),
        (id(9), DifferenceKind::RowMissing, vec!["product", "quantity"]),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.compared, 2999);

    assert_eq!(pair.left.sync.repair(&report).await.expect("a repair"), 2);
    pair.left.sync.settled(PATIENCE).await.expect("it settles");
    assert_eq!(pair.left.rows(STOCKS).await, agreed);
    assert_eq!(pair.right.rows(STOCKS).await, agreed);
    assert_eq!(
        pair.left.store.operations_applied(),
        writes,
        "a repair sends nothing"
    );
    let clean = pair.left.sync.audit().await.expect("an audit");
    assert_eq!((clean.compared, clean.differences.len()), (3000, 0));
    pair.close().await;
}

#[tokio::test]
async fn an_audit_leaves_out_rows_that_are_not_sent_yet() {
    let pair = Pair::new(SCHEMA, || SyncRegistry::new().with::<Stock>()).await;
    pair.on_left("INSERT INTO stocks VALUES (1, 'tea', 1), (2, 'cup', 2)")
        .await;
    pair.in_step(STOCKS).await;
    // Such a row stays dirty: it cannot be sent.
    pair.on_left("UPDATE stocks SET product = x'00ff' WHERE id = 2")
        .await;
    pair.left
        .reports("stocks", |status| status.quarantined == 1)
        .await;
    let report = pair.left.sync.audit().await.expect("an audit");
    assert_eq!(
        (report.compared, report.skipped, report.differences.len()),
        (1, 1, 0)
    );
    pair.close().await;
}
