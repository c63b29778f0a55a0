//! Rows that were there before the framework: sent at the start or on request, once, and never over anything.

use ditto_sync::{Companion, DittoAdapter, ModelError, SyncConfig, SyncEvent, SyncRegistry};
use ditto_sync_testkit::{Flavor, MemoryHub};
use tempfile::TempDir;

use crate::devices::{Device, prepare, running};

#[derive(DittoAdapter)]
#[ditto(collection = "coins")]
struct Coin {
    #[ditto(id)]
    id: i64,
    worth: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "secrets", seed = false)]
struct Secret {
    #[ditto(id)]
    id: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "rates", direction = "receive_only")]
struct Rate {
    #[ditto(id)]
    id: i64,
}

const SCHEMA: &str = "CREATE TABLE coins (id INTEGER PRIMARY KEY NOT NULL, worth INTEGER NOT NULL);
    CREATE TABLE secrets (id INTEGER PRIMARY KEY NOT NULL);
    CREATE TABLE rates (id INTEGER PRIMARY KEY NOT NULL)";
const OLD: &str = "INSERT INTO coins VALUES (1, 1), (2, 2), (3, 3); INSERT INTO secrets VALUES (1); INSERT INTO rates VALUES (1)";
const COINS: &str = "SELECT quote(id), quote(worth) FROM coins ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Coin>().with::<Secret>().with::<Rate>()
}

fn on_request() -> SyncConfig {
    SyncConfig::adaptive().seeding(false)
}

async fn database(flavor: Flavor, rows: &str) -> (TempDir, MemoryHub) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    prepare(&directory.path().join("left.db"), &[SCHEMA, rows]).await;
    prepare(&directory.path().join("right.db"), &[SCHEMA]).await;
    (directory, running(flavor))
}

async fn left(directory: &TempDir, hub: &MemoryHub, config: SyncConfig) -> Device {
    Device::configured("left", directory, hub, registry(), config).await
}

#[tokio::test]
async fn seeding_on_request_sends_what_was_there_once_and_reports_it() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let (directory, hub) = database(flavor, OLD).await;
        let left = left(&directory, &hub, on_request()).await;
        left.settled().await;
        assert_eq!(left.store.operations_applied(), 0, "nobody has asked");
        let mut events = left.sync.events();
        let report = left.sync.seed_all().await.expect("it is seeded");
        assert!(report.is_complete());
        assert_eq!(report.sent(), 3);
        assert_eq!(
            report.collections.len(),
            1,
            "the others are not seeded: {report:?}"
        );
        let coins = &report.collections[0];
        assert_eq!((coins.collection, coins.already_seeded), ("coins", false));
        assert_eq!(
            (coins.rows, coins.sent, coins.adopted, coins.failed.len()),
            (3, 3, 0, 0)
        );
        let progress = loop {
            if let Some(SyncEvent::Seeding {
                collection,
                done,
                total,
            }) = events.next().await
            {
                break (collection, done, total);
            }
        };
        assert_eq!(progress, ("coins", 3, 3));

        let again = CoinDittoAdapter::seed(&left.sync).await.expect("it is looked at");
        assert!(again.collections[0].already_seeded);
        assert_eq!(again.sent(), 0);
        assert_eq!(left.store.documents(Coin::descriptor()).len(), 3);
        assert_eq!(left.store.documents(Secret::descriptor()).len(), 0);
        left.close().await;
    }
}

#[tokio::test]
async fn the_seeding_of_a_start_is_the_same_and_is_told_n_of_m() {
    let (directory, hub) = database(Flavor::Ditto, OLD).await;
    let config = SyncConfig::adaptive().batch_size(1);
    let left = left(&directory, &hub, config).await;
    let mut events = left.sync.events();
    let mut progress = Vec::new();
    while progress.len() < 3 {
        if let Some(SyncEvent::Seeding { done, total, .. }) = events.next().await {
            progress.push((done, total));
        }
    }
    assert_eq!(progress, [(1, 3), (2, 3), (3, 3)]);
    left.settled().await;
    let report = left.sync.seed_all().await.expect("it is looked at");
    assert!(report.collections[0].already_seeded, "the start has done it");
    left.close().await;
}

#[tokio::test]
async fn models_that_are_not_seeded_say_so() {
    let (directory, hub) = database(Flavor::Ditto, OLD).await;
    let left = left(&directory, &hub, on_request()).await;
    let refused = left.sync.seed_model::<Secret>().await.expect_err("seed = false");
    assert!(matches!(
        refused,
        ModelError::NotSeeded {
            collection: "secrets"
        }
    ));
    let refused = left.sync.seed_model::<Rate>().await.expect_err("receive-only");
    assert!(matches!(refused, ModelError::ReceiveOnly { collection: "rates" }));
    left.close().await;
}

#[tokio::test]
async fn a_seed_never_overwrites_a_document() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let (directory, hub) = database(flavor, OLD).await;
        let right = Device::start("right", &directory, &hub, registry()).await;
        right.run("INSERT INTO coins VALUES (2, 200)").await;
        right.settled().await;
        let left = left(&directory, &hub, on_request()).await;
        left.sync
            .observe_only([""; 0])
            .await
            .expect("nothing is observed");
        let report = left.sync.seed_all().await.expect("it is seeded");
        for device in [&left, &right] {
            device.holds(COINS, &["1,1", "2,200", "3,3"]).await;
        }
        let coins = &report.collections[0];
        // Either its document had come in before, or the seed has met it.
        assert_eq!(coins.sent, 2, "{report:?}");
        assert_eq!(coins.rows, coins.sent + coins.adopted, "{report:?}");
        left.close().await;
        right.close().await;
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_seeded_is_reported_and_holds_nobody_up() {
    let bad = "INSERT INTO coins VALUES (1, 1), (2, 'two'), (3, 3)";
    let (directory, hub) = database(Flavor::Ditto, bad).await;
    let left = left(&directory, &hub, on_request()).await;
    let report = left.sync.seed_all().await.expect("it is seeded");
    assert!(!report.is_complete());
    let coins = &report.collections[0];
    assert_eq!(
        (coins.rows, coins.sent, coins.failed.len()),
        (3, 2, 1),
        "{report:?}"
    );
    assert_eq!(coins.failed[0].id, Some(ditto_sync::DocumentId::integer(2)));
    assert!(coins.failed[0].reason.contains("worth"), "{report:?}");
    // Mended, it is sent by itself.
    left.run("UPDATE coins SET worth = 2 WHERE id = 2").await;
    left.settled().await;
    assert_eq!(left.store.documents(Coin::descriptor()).len(), 3);
    left.close().await;
}

#[tokio::test]
async fn a_seeding_that_was_broken_off_goes_on_where_it_was() {
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO coins SELECT i, i FROM n";
    let (directory, hub) = database(Flavor::Mesh, many).await;
    let config = || on_request().batch_size(2);
    let mut sent = 0;
    for _ in 0..5 {
        let left = left(&directory, &hub, config()).await;
        let mut events = left.sync.events();
        let seeding = left.sync.seed_all();
        let some = async {
            loop {
                if let Some(SyncEvent::Seeding { done: 4.., .. }) = events.next().await {
                    return;
                }
            }
        };
        tokio::select! {
            report = seeding => panic!("it was to be broken off: {report:?}"),
            () = some => {}
        }
        left.close().await;
        sent = hub.store("left").documents(Coin::descriptor()).len();
    }
    assert!((20..40).contains(&sent), "{sent} were sent");
    let left = left(&directory, &hub, config()).await;
    let report = left.sync.seed_all().await.expect("it is seeded");
    assert_eq!(report.sent(), 40 - sent as u64, "none of them twice");
    assert_eq!(left.store.operations_applied(), 40);
    left.close().await;
}

#[tokio::test]
async fn after_a_reset_rows_that_came_unseen_are_found() {
    let (directory, hub) = database(Flavor::Ditto, OLD).await;
    let left = left(&directory, &hub, SyncConfig::adaptive()).await;
    left.settled().await;
    left.run_unseen("INSERT INTO coins VALUES (4, 4)").await;
    left.settled().await;
    let report = left.sync.seed_all().await.expect("it is looked at");
    assert!(report.collections[0].already_seeded);
    assert_eq!(left.store.documents(Coin::descriptor()).len(), 3);
    left.sync.reset_seed_state().await.expect("it is reset");
    let report = left.sync.seed_all().await.expect("it is seeded");
    assert!(!report.collections[0].already_seeded, "{report:?}");
    assert_eq!(left.store.documents(Coin::descriptor()).len(), 4);
    assert_eq!(left.store.operations_applied(), 4, "only what was missing");
    left.close().await;
}
