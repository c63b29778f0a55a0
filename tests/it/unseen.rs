//! What happened to tables behind the framework's back: triggers that were missing, migrations, rows that a foreign key took along.

use ditto_sync::{DittoAdapter, SyncRegistry};
use tempfile::TempDir;

use crate::devices::{Device, PATIENCE, Pair, prepare};

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct StockWithShelf {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
    shelf: Option<String>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "orders", scope(branch))]
struct Order {
    #[ditto(id)]
    id: String,
    branch: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "lines")]
struct Line {
    #[ditto(id)]
    id: String,
    order_id: String,
}

const SCHEMA: &str =
    "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, product TEXT, quantity INTEGER NOT NULL)";
const STOCKS: &str = "SELECT quote(id), quote(product), quote(quantity) FROM stocks ORDER BY id";
const SHELVES: &str = "SELECT quote(id), quote(shelf) FROM stocks ORDER BY id";
/// SQLite's way to change what ALTER TABLE cannot: the triggers go with the old table.
const REBUILD: &str =
    "CREATE TABLE next (id TEXT PRIMARY KEY NOT NULL, product TEXT, quantity INTEGER NOT NULL);
    INSERT INTO next SELECT * FROM stocks; DROP TABLE stocks; ALTER TABLE next RENAME TO stocks;";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Stock>()
}

fn with_shelf() -> SyncRegistry {
    SyncRegistry::new().with::<StockWithShelf>()
}

async fn stocked() -> Pair {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left(
        "INSERT INTO stocks VALUES ('1', 'tea', 10), ('2', 'cup', 20), ('3', 'pot', 30), ('4', 'tin', 40)",
    )
    .await;
    pair.in_step(STOCKS).await;
    pair
}

fn file(directory: &TempDir, device: &str) -> std::path::PathBuf {
    directory.path().join(format!("{device}.db"))
}

#[tokio::test]
async fn what_happens_while_a_rebuilt_table_has_no_triggers_is_sent_at_the_next_start() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked().await;
    left.close().await;
    let meanwhile = "UPDATE stocks SET product = 'green tea', quantity = quantity - 4 WHERE id = '1';
        DELETE FROM stocks WHERE id = '2'; INSERT INTO stocks VALUES ('5', 'jar', 50);";
    prepare(&file(&directory, "left"), &[REBUILD, meanwhile]).await;
    right
        .run("UPDATE stocks SET quantity = quantity - 1 WHERE id = '3'")
        .await;
    right.sync.settled(PATIENCE).await.expect("the right settles");

    let left = Device::start("left", &directory, &hub, registry()).await;
    let expected = [
        "'1','green tea',6",
        "'3','pot',29",
        "'4','tin',40",
        "'5','jar',50",
    ];
    left.holds(STOCKS, &expected).await;
    right.holds(STOCKS, &expected).await;
    left.close().await;
    right.close().await;
}

#[tokio::test]
async fn a_change_missed_by_the_triggers_that_meets_a_remote_one_stays_and_is_reported() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked().await;
    left.close().await;
    let meanwhile = "UPDATE stocks SET product = 'ours' WHERE id = '1'";
    prepare(&file(&directory, "left"), &[REBUILD, meanwhile]).await;
    right
        .run("UPDATE stocks SET product = 'theirs', quantity = quantity - 1 WHERE id = '1'")
        .await;
    right.sync.settled(PATIENCE).await.expect("the right settles");

    let left = Device::start("left", &directory, &hub, registry()).await;
    left.reports("stocks", |status| status.conflicts == 1).await;
    let expected = ["'1','ours',9", "'2','cup',20", "'3','pot',30", "'4','tin',40"];
    left.holds(STOCKS, &expected).await;
    right.holds(STOCKS, &expected).await;
    left.close().await;
    right.close().await;
}

#[tokio::test]
async fn a_newly_mapped_column_makes_no_row_look_changed() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked().await;
    left.close().await;
    right.close().await;
    for device in ["left", "right"] {
        prepare(
            &file(&directory, device),
            &["ALTER TABLE stocks ADD COLUMN shelf TEXT"],
        )
        .await;
    }
    let left = Device::start("left", &directory, &hub, with_shelf()).await;
    let right = Device::start("right", &directory, &hub, with_shelf()).await;
    for device in [&left, &right] {
        device.sync.settled(PATIENCE).await.expect("it settles");
    }
    let writes = (left.store.operations_applied(), right.store.operations_applied());
    left.run("UPDATE stocks SET shelf = 'A' WHERE id = '2'").await;
    right
        .holds(SHELVES, &["'1',NULL", "'2','A'", "'3',NULL", "'4',NULL"])
        .await;
    left.sync.settled(PATIENCE).await.expect("the left settles");
    let after = (left.store.operations_applied(), right.store.operations_applied());
    assert_eq!(after, (writes.0 + 1, writes.1), "only the one edit was sent");
    for device in [left, right] {
        let status = device.sync.status().borrow().collections["stocks"].clone();
        assert_eq!((status.conflicts, status.pending), (0, 0));
        device.close().await;
    }
}

#[tokio::test]
async fn what_a_migration_fills_into_a_new_column_is_sent_as_a_patch() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked().await;
    left.close().await;
    right
        .run("UPDATE stocks SET product = 'kettle' WHERE id = '3'")
        .await;
    right.close().await;
    let fill = "ALTER TABLE stocks ADD COLUMN shelf TEXT; UPDATE stocks SET shelf = 'B' WHERE id <> '4'";
    prepare(&file(&directory, "left"), &[fill]).await;
    prepare(
        &file(&directory, "right"),
        &["ALTER TABLE stocks ADD COLUMN shelf TEXT"],
    )
    .await;
    let left = Device::start("left", &directory, &hub, with_shelf()).await;
    let right = Device::start("right", &directory, &hub, with_shelf()).await;
    for device in [&left, &right] {
        device
            .holds(SHELVES, &["'1','B'", "'2','B'", "'3','B'", "'4',NULL"])
            .await;
        device
            .holds(
                STOCKS,
                &["'1','tea',10", "'2','cup',20", "'3','kettle',30", "'4','tin',40"],
            )
            .await;
    }
    left.close().await;
    right.close().await;
}

#[tokio::test]
async fn rows_that_a_foreign_key_takes_along_out_of_the_scope_wait_for_their_parent_and_are_not_deleted_for_others()
 {
    let schema = "CREATE TABLE orders (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL);
        CREATE TABLE lines (id TEXT PRIMARY KEY NOT NULL, order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE);";
    let registry = || {
        SyncRegistry::new()
            .with::<Order>()
            .with::<Line>()
            .context("branch", "kigali")
    };
    let lines = "SELECT quote(id) FROM lines ORDER BY id";
    let pair = Pair::new(schema, registry).await;
    pair.on_left("INSERT INTO orders VALUES ('o', 'kigali'), ('p', 'kigali'); INSERT INTO lines VALUES ('1', 'o'), ('2', 'o'), ('3', 'p')")
        .await;
    pair.both_hold(lines, &["'1'", "'2'", "'3'"]).await;
    pair.on_right("UPDATE orders SET branch = 'butare' WHERE id = 'o'")
        .await;
    pair.both_hold(lines, &["'3'"]).await;
    for device in [&pair.left, &pair.right] {
        device
            .reports("lines", |status| status.parked == 2 && status.pending == 0)
            .await;
    }
    // The documents are still there: with the order its lines come back.
    pair.on_left("INSERT INTO orders VALUES ('o', 'kigali')").await;
    pair.both_hold(lines, &["'1'", "'2'", "'3'"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_row_stays_while_unsent_changes_would_leave_the_scope_with_it() {
    let schema = "CREATE TABLE orders (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL);
        CREATE TABLE lines (id TEXT PRIMARY KEY NOT NULL, order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE);";
    let registry = || {
        SyncRegistry::new()
            .with::<Order>()
            .with::<Line>()
            .context("branch", "kigali")
    };
    let lines = "SELECT quote(id) FROM lines ORDER BY id";
    let pair = Pair::new(schema, registry).await;
    pair.on_left(
        "INSERT INTO orders VALUES ('o', 'kigali'), ('p', 'kigali'); INSERT INTO lines VALUES ('1', 'o')",
    )
    .await;
    pair.both_hold(lines, &["'1'"]).await;
    pair.part();
    pair.on_left("INSERT INTO lines VALUES ('2', 'o')").await;
    pair.on_right("UPDATE orders SET branch = 'butare' WHERE id = 'o'")
        .await;
    pair.right.holds(lines, &[]).await;
    pair.rejoin();
    // Line 2 was sent, and only then went with its order; it waits on both sides, and comes back.
    pair.left
        .reports("lines", |status| status.parked == 2 && status.pending == 0)
        .await;
    pair.on_right("INSERT INTO orders VALUES ('o', 'kigali')").await;
    pair.both_hold(lines, &["'1'", "'2'"]).await;
    pair.close().await;
}
