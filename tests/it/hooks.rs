//! Decisions that an app takes: which documents its table takes, and which are observed.

use ditto_sync::{
    DittoAdapter, DittoHooks, Query, RemoteChange, SyncRegistry,
    query::{field, not},
};

use crate::devices::{Device, PATIENCE, Pair};

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "prices", hooks)]
struct Price {
    #[ditto(id)]
    id: i64,
    amount: i64,
    note: Option<String>,
    #[ditto(counter)]
    seen: i64,
}

/// Its documents make the hook panic.
const UNLUCKY: i64 = 13;

impl DittoHooks for Price {
    /// No price becomes negative here because somebody else says so.
    fn should_apply_remote(change: &RemoteChange<'_, Self>) -> bool {
        let Ok(price) = change.read() else {
            return true;
        };
        assert_ne!(price.amount, UNLUCKY, "an unlucky price");
        let is_negative_here = matches!(change.current(), Some(Ok(row)) if row.amount < 0);
        price.amount >= 0 || is_negative_here
    }

    fn observer_query(scope: Query) -> Query {
        scope.and(not(field("note").eq("private")))
    }
}

const SCHEMA: &str = "CREATE TABLE prices (id INTEGER PRIMARY KEY NOT NULL, amount INTEGER NOT NULL, note TEXT, seen INTEGER NOT NULL)";
const PRICES: &str = "SELECT quote(id), quote(amount), quote(note), quote(seen) FROM prices ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Price>()
}

async fn settled(device: &Device) {
    device.sync.settled(PATIENCE).await.expect("it settles");
}

#[tokio::test]
async fn a_declined_document_leaves_the_row_and_lets_its_changes_out() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO prices VALUES (1, 10, NULL, 0)").await;
    pair.in_step(PRICES).await;
    pair.on_left("UPDATE prices SET amount = -1, seen = seen + 3")
        .await;
    pair.right.reports("prices", |status| status.declined > 0).await;
    pair.right.holds(PRICES, &["1,10,NULL,0"]).await;
    // What is changed here goes out on top of the document, and nothing else.
    pair.on_right("UPDATE prices SET note = 'mine', seen = seen + 2")
        .await;
    pair.left.holds(PRICES, &["1,-1,'mine',5"]).await;
    settled(&pair.right).await;
    pair.right.holds(PRICES, &["1,10,'mine',2"]).await;
    pair.right.sync.reconcile().await;
    settled(&pair.right).await;
    pair.right.holds(PRICES, &["1,10,'mine',2"]).await;
    // A version that it takes brings it back into step.
    pair.on_left("UPDATE prices SET amount = 7").await;
    pair.both_hold(PRICES, &["1,7,'mine',5"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_declined_document_makes_no_row_and_replaces_none_that_was_there_before() {
    let rows = "INSERT INTO prices VALUES (1, -1, 'left', 0), (2, -2, 'left', 0), (3, 3, 'left', 0)";
    let pair = Pair::with_rows(SCHEMA, rows, registry).await;
    pair.right.holds(PRICES, &["3,3,'left',0"]).await;
    pair.right.reports("prices", |status| status.declined >= 2).await;
    // A row of its own under the id of a document that it does not take: the later write of all fields.
    pair.on_right("INSERT INTO prices VALUES (2, 20, 'right', 0)")
        .await;
    pair.left
        .holds(PRICES, &["1,-1,'left',0", "2,20,'right',0", "3,3,'left',0"])
        .await;
    settled(&pair.right).await;
    pair.right
        .holds(PRICES, &["2,20,'right',0", "3,3,'left',0"])
        .await;
    pair.close().await;
}

#[tokio::test]
async fn a_hook_that_panics_puts_its_document_into_quarantine_and_holds_nobody_up() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left(&format!(
        "INSERT INTO prices VALUES (1, {UNLUCKY}, NULL, 0), (2, 2, NULL, 0)"
    ))
    .await;
    pair.right.holds(PRICES, &["2,2,NULL,0"]).await;
    pair.right
        .reports("prices", |status| status.quarantined == 1)
        .await;
    let records = pair.right.sync.quarantine().await.expect("it is listed");
    assert!(records[0].reason.contains("an unlucky price"), "{}", records[0]);
    pair.on_left("UPDATE prices SET amount = 1 WHERE id = 1").await;
    pair.right.holds(PRICES, &["1,1,NULL,0", "2,2,NULL,0"]).await;
    pair.right
        .reports("prices", |status| status.quarantined == 0)
        .await;
    pair.close().await;
}

/// What this device has sent comes back to it when the row has changed again: that is no news, whatever the hook would say of it.
#[tokio::test]
async fn the_hook_is_not_asked_about_what_the_row_agreed_on() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left(&format!(
        "INSERT INTO prices VALUES (1, {UNLUCKY}, NULL, 0), (2, -2, NULL, 0)"
    ))
    .await;
    settled(&pair.left).await;
    pair.right
        .reports("prices", |status| status.quarantined == 1)
        .await;
    pair.left.sync.pause().await.expect("it pauses");
    pair.on_left("UPDATE prices SET amount = 1 WHERE id = 1; UPDATE prices SET note = 'still', amount = 2 WHERE id = 2")
        .await;
    // The documents are compared with the rows before anything is sent.
    pair.left.sync.resume().await.expect("it resumes");
    pair.both_hold(PRICES, &["1,1,NULL,0", "2,2,'still',0"]).await;
    settled(&pair.left).await;
    pair.left
        .reports("prices", |status| status.quarantined == 0 && status.declined == 0)
        .await;
    pair.close().await;
}

#[tokio::test]
async fn what_the_hook_does_not_observe_stays_away_and_leaves() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO prices VALUES (1, 1, 'private', 0), (2, 2, 'public', 0)")
        .await;
    pair.right.holds(PRICES, &["2,2,'public',0"]).await;
    settled(&pair.left).await;
    pair.on_left("UPDATE prices SET note = 'private' WHERE id = 2")
        .await;
    pair.right.holds(PRICES, &[]).await;
    pair.close().await;
}
