//! Every way in which SQL changes a row reaches the other device.

use ditto_sync::{DittoAdapter, SyncRegistry};

use crate::devices::Pair;

#[derive(DittoAdapter)]
#[ditto(collection = "items")]
struct Item {
    #[ditto(id)]
    id: String,
    code: Option<String>,
    #[ditto(counter)]
    stock: i64,
}

const SCHEMA: &str =
    "CREATE TABLE items (id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, stock INTEGER NOT NULL DEFAULT 0)";
const ITEMS: &str = "SELECT quote(id), quote(code), quote(stock) FROM items ORDER BY id";

async fn items() -> Pair {
    let pair = Pair::new(SCHEMA, || SyncRegistry::new().with::<Item>()).await;
    pair.on_left("INSERT INTO items VALUES ('a', 'A', 10), ('b', 'B', 20), ('c', 'C', 30)")
        .await;
    pair.both_hold(ITEMS, &["'a','A',10", "'b','B',20", "'c','C',30"])
        .await;
    pair
}

#[tokio::test]
async fn insert_or_replace_of_the_same_key_is_an_update() {
    let pair = items().await;
    pair.part();
    pair.on_left("INSERT OR REPLACE INTO items VALUES ('a', 'AA', 12)")
        .await;
    pair.on_right("UPDATE items SET stock = stock - 3 WHERE id = 'a'")
        .await;
    pair.left
        .sync
        .settled(crate::devices::PATIENCE)
        .await
        .expect("settles");
    pair.right
        .sync
        .settled(crate::devices::PATIENCE)
        .await
        .expect("settles");
    pair.rejoin();
    // The counter moved by +2 and -3; a re-insert would have started it anew.
    pair.both_hold(ITEMS, &["'a','AA',9", "'b','B',20", "'c','C',30"])
        .await;
    pair.close().await;
}

#[tokio::test]
async fn insert_or_replace_that_hits_another_unique_key_deletes_that_row_everywhere() {
    let pair = items().await;
    pair.on_right("INSERT OR REPLACE INTO items VALUES ('d', 'B', 1)")
        .await;
    pair.both_hold(ITEMS, &["'a','A',10", "'c','C',30", "'d','B',1"])
        .await;
    pair.on_left("UPDATE OR REPLACE items SET code = 'C' WHERE id = 'a'")
        .await;
    pair.both_hold(ITEMS, &["'a','C',10", "'d','B',1"]).await;
    pair.close().await;
}

#[tokio::test]
async fn the_same_holds_where_the_app_has_recursive_triggers_on() {
    let pair = items().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(pair.directory.path().join("left.db"));
    let foreign = sqlx::SqlitePool::connect_with(options.pragma("recursive_triggers", "ON"))
        .await
        .expect("the database opens");
    crate::devices::run(
        &foreign,
        "REPLACE INTO items VALUES ('d', 'B', 1); REPLACE INTO items VALUES ('a', 'C', 4)",
    )
    .await;
    foreign.close().await;
    pair.both_hold(ITEMS, &["'a','C',4", "'d','B',1"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_trigger_that_stamps_its_own_table_goes_on_working() {
    let pair = items().await;
    // Would never end with recursive triggers, which therefore are the app's own choice.
    pair.on_left("CREATE TRIGGER stamp AFTER UPDATE ON items BEGIN UPDATE items SET code = 'stamped' WHERE id = NEW.id; END")
        .await;
    pair.on_left("UPDATE items SET stock = 11 WHERE id = 'a'").await;
    pair.both_hold(ITEMS, &["'a','stamped',11", "'b','B',20", "'c','C',30"])
        .await;
    pair.close().await;
}

#[tokio::test]
async fn upserts_travel_as_updates_and_ignored_inserts_not_at_all() {
    let pair = items().await;
    pair.on_left(
        "INSERT INTO items VALUES ('a', 'X', 1) ON CONFLICT (id) DO UPDATE SET stock = stock + excluded.stock; \
         INSERT INTO items VALUES ('b', 'Y', 1) ON CONFLICT DO NOTHING; INSERT OR IGNORE INTO items VALUES ('c', 'Z', 1); \
         INSERT INTO items VALUES ('e', 'E', 5) ON CONFLICT (id) DO UPDATE SET stock = 0",
    )
    .await;
    pair.both_hold(ITEMS, &["'a','A',11", "'b','B',20", "'c','C',30", "'e','E',5"])
        .await;
    // The right may have the rows before the left has counted them.
    pair.in_step(ITEMS).await;
    let sent = pair.left.sync.status().borrow().collections["items"].sent;
    assert_eq!(
        sent, 5,
        "three rows at first, then one patch and one insert: ignored statements send nothing"
    );
    pair.close().await;
}

#[tokio::test]
async fn delete_and_insert_in_one_transaction_starts_the_counter_anew() {
    let pair = items().await;
    pair.on_left("BEGIN; DELETE FROM items WHERE id = 'a'; INSERT INTO items VALUES ('a', 'N', 100); COMMIT")
        .await;
    pair.both_hold(ITEMS, &["'a','N',100", "'b','B',20", "'c','C',30"])
        .await;
    pair.on_right("DELETE FROM items").await;
    pair.both_hold(ITEMS, &[]).await;
    pair.close().await;
}

#[tokio::test]
async fn what_is_rolled_back_does_not_travel() {
    let pair = items().await;
    pair.on_left(
        "BEGIN; UPDATE items SET stock = 0; ROLLBACK; \
         BEGIN; UPDATE items SET stock = 11 WHERE id = 'a'; SAVEPOINT s; DELETE FROM items; ROLLBACK TO s; COMMIT",
    )
    .await;
    pair.both_hold(ITEMS, &["'a','A',11", "'b','B',20", "'c','C',30"])
        .await;
    pair.close().await;
}

#[derive(DittoAdapter)]
#[ditto(collection = "parents")]
struct Parent {
    #[ditto(id)]
    id: String,
    name: Option<String>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "children")]
struct Child {
    #[ditto(id)]
    id: String,
    parent: Option<String>,
    friend: Option<String>,
}

const FAMILY: &str = "CREATE TABLE parents (id TEXT PRIMARY KEY NOT NULL, name TEXT); \
    CREATE TABLE children (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parents (id) ON DELETE CASCADE ON UPDATE CASCADE, \
    friend TEXT REFERENCES parents (id) ON DELETE SET NULL)";
const PARENTS: &str = "SELECT quote(id) FROM parents ORDER BY id";
const CHILDREN: &str = "SELECT quote(id), quote(parent), quote(friend) FROM children ORDER BY id";

#[tokio::test]
async fn cascades_travel_whichever_side_deletes() {
    let pair = Pair::new(FAMILY, || SyncRegistry::new().with::<Child>().with::<Parent>()).await;
    pair.on_left(
        "INSERT INTO parents (id) VALUES ('p'), ('q'), ('r'); \
         INSERT INTO children VALUES ('1', 'p', 'q'), ('2', 'q', 'p'), ('3', 'q', 'r')",
    )
    .await;
    pair.both_hold(CHILDREN, &["'1','p','q'", "'2','q','p'", "'3','q','r'"])
        .await;
    pair.on_left("DELETE FROM parents WHERE id = 'p'").await;
    pair.both_hold(CHILDREN, &["'2','q',NULL", "'3','q','r'"]).await;
    pair.on_right("UPDATE parents SET id = 'Q' WHERE id = 'q'").await;
    pair.both_hold(CHILDREN, &["'2','Q',NULL", "'3','Q','r'"]).await;
    pair.both_hold(PARENTS, &["'Q'", "'r'"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_remote_delete_that_cascades_into_rows_made_here_deletes_them_everywhere() {
    let pair = Pair::new(FAMILY, || SyncRegistry::new().with::<Child>().with::<Parent>()).await;
    pair.on_left("INSERT INTO parents (id) VALUES ('p')").await;
    pair.in_step(PARENTS).await;
    pair.part();
    pair.on_right("INSERT INTO children VALUES ('late', 'p', NULL)")
        .await;
    pair.on_left("DELETE FROM parents WHERE id = 'p'").await;
    pair.left
        .sync
        .settled(crate::devices::PATIENCE)
        .await
        .expect("settles");
    pair.right
        .sync
        .settled(crate::devices::PATIENCE)
        .await
        .expect("settles");
    pair.rejoin();
    pair.both_hold(PARENTS, &[]).await;
    pair.both_hold(CHILDREN, &[]).await;
    pair.left.reports("children", |status| status.parked == 0).await;
    pair.close().await;
}
