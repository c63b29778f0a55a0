//! Partitions and concurrent changes: what DESIGN section 5 promises, seen from two SQLite files.

use ditto_sync::{ConflictKind, DittoAdapter, SyncEvent, SyncRegistry};
use ditto_sync_testkit::{Fault, StoreCall};

use crate::devices::{PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    price: f64,
    #[ditto(counter)]
    quantity: i64,
}

const SCHEMA: &str = "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, product TEXT, price REAL NOT NULL, quantity INTEGER NOT NULL)";
const STOCKS: &str =
    "SELECT quote(id), quote(product), quote(price), quote(quantity) FROM stocks ORDER BY id";

async fn stocks() -> Pair {
    let pair = Pair::new(SCHEMA, || SyncRegistry::new().with::<Stock>()).await;
    pair.on_left("INSERT INTO stocks VALUES ('s', 'tea', 1.5, 10)")
        .await;
    pair.both_hold(STOCKS, &["'s','tea',1.5,10"]).await;
    pair
}

async fn apart(pair: &Pair, left: &str, right: &str) {
    pair.part();
    pair.on_left(left).await;
    pair.on_right(right).await;
    pair.left
        .sync
        .settled(PATIENCE)
        .await
        .expect("the left settles alone");
    pair.right
        .sync
        .settled(PATIENCE)
        .await
        .expect("the right settles alone");
    pair.rejoin();
}

#[tokio::test]
async fn edits_of_different_fields_both_survive_and_counters_add_up() {
    let pair = stocks().await;
    apart(
        &pair,
        "UPDATE stocks SET product = 'green tea', quantity = quantity - 2",
        "UPDATE stocks SET price = 1.75, quantity = quantity - 3",
    )
    .await;
    pair.both_hold(STOCKS, &["'s','green tea',1.75,5"]).await;
    pair.close().await;
}

#[tokio::test]
async fn edits_of_one_field_end_the_same_everywhere() {
    let pair = stocks().await;
    apart(
        &pair,
        "UPDATE stocks SET product = 'left'",
        "UPDATE stocks SET product = 'right'",
    )
    .await;
    let rows = pair.in_step(STOCKS).await;
    assert!(
        rows == ["'s','left',1.5,10"] || rows == ["'s','right',1.5,10"],
        "{rows:?}"
    );
    pair.close().await;
}

#[tokio::test]
async fn delete_wins_over_a_concurrent_edit_either_way_round() {
    for (left, right) in [
        (
            "DELETE FROM stocks",
            "UPDATE stocks SET price = 9.0, quantity = 1",
        ),
        (
            "UPDATE stocks SET price = 9.0, quantity = 1",
            "DELETE FROM stocks",
        ),
    ] {
        let pair = stocks().await;
        apart(&pair, left, right).await;
        pair.both_hold(STOCKS, &[]).await;
        pair.close().await;
    }
}

#[tokio::test]
async fn a_row_deleted_and_made_again_is_a_new_row_everywhere() {
    let pair = stocks().await;
    pair.on_right("DELETE FROM stocks").await;
    pair.both_hold(STOCKS, &[]).await;
    pair.on_left("INSERT INTO stocks VALUES ('s', 'coffee', 2.0, 3)")
        .await;
    pair.both_hold(STOCKS, &["'s','coffee',2.0,3"]).await;
    pair.close().await;
}

#[tokio::test]
async fn rows_older_than_the_framework_are_seeded_and_adopted() {
    let rows = "INSERT INTO stocks VALUES ('old', 'salt', 0.5, 7), ('older', NULL, 0.25, 8)";
    let pair = Pair::with_rows(SCHEMA, rows, || SyncRegistry::new().with::<Stock>()).await;
    pair.both_hold(STOCKS, &["'old','salt',0.5,7", "'older',NULL,0.25,8"])
        .await;
    pair.on_right("UPDATE stocks SET quantity = quantity + 1").await;
    pair.both_hold(STOCKS, &["'old','salt',0.5,8", "'older',NULL,0.25,9"])
        .await;
    pair.close().await;
}

#[tokio::test]
async fn a_clash_that_is_met_before_sending_is_reported_with_both_values() {
    let pair = stocks().await;
    let mut events = pair.left.sync.events();
    // The left cannot send: its change is still unsent when the right one's arrives.
    pair.left
        .store
        .set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
    pair.on_left("UPDATE stocks SET product = 'ours'").await;
    pair.left.reports("stocks", |status| status.pending > 0).await;
    pair.on_right("UPDATE stocks SET product = 'theirs'").await;
    pair.right
        .sync
        .settled(PATIENCE)
        .await
        .expect("the right settles");
    pair.left.store.clear_faults();
    let rows = pair.in_step(STOCKS).await;
    assert_eq!(
        rows,
        ["'s','ours',1.5,10"],
        "the local value is sent as the later write"
    );
    let conflict = tokio::time::timeout(PATIENCE, async {
        loop {
            match events.next().await {
                Some(SyncEvent::Conflict(conflict)) => return conflict,
                Some(_) => {}
                None => panic!("the events ended without a conflict"),
            }
        }
    });
    let conflict = conflict.await.expect("the conflict is reported");
    assert_eq!(
        (conflict.kind, conflict.fields[0].field),
        (ConflictKind::LocalKept, "product")
    );
    pair.close().await;
}
