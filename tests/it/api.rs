//! What an app asks of a running coordinator about its models: notifications, hydration, which of them are exchanged, and at which pace.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ditto_sync::{ConflictKind, DittoAdapter, DocumentId, ModelError, SyncConfig, SyncEvent, SyncRegistry};
use ditto_sync_testkit::{Fault, Flavor, StoreCall};
use tempfile::TempDir;

use crate::devices::{Device, PATIENCE, Pair, prepare, running};

#[derive(DittoAdapter)]
#[ditto(collection = "goods")]
struct Good {
    #[ditto(id)]
    id: String,
    product: String,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "crates")]
struct Crate {
    #[ditto(id)]
    id: String,
    place: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "slips", direction = "send_only")]
struct Slip {
    #[ditto(id)]
    id: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "shelves", scope(branch))]
struct Shelf {
    #[ditto(id)]
    id: String,
    branch: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "racks", scope(branch))]
struct Rack {
    #[ditto(id)]
    id: String,
    branch: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "nowhere")]
struct Nowhere {
    #[ditto(id)]
    id: String,
}

const SCHEMA: &str =
    "CREATE TABLE goods (id TEXT PRIMARY KEY NOT NULL, product TEXT NOT NULL, quantity INTEGER NOT NULL);
    CREATE TABLE crates (id TEXT PRIMARY KEY NOT NULL, place TEXT NOT NULL);
    CREATE TABLE slips (id TEXT PRIMARY KEY NOT NULL)";
const GOODS: &str = "SELECT quote(id), quote(product), quote(quantity) FROM goods ORDER BY id";
const CRATES: &str = "SELECT quote(id), quote(place) FROM crates ORDER BY id";
const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Good>().with::<Crate>().with::<Slip>()
}

fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a valid id")
}

/// Two devices on a store of either kind, with two goods that have arrived.
async fn stocked(flavor: Flavor) -> (Device, Device, TempDir, ditto_sync_testkit::MemoryHub) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = running(flavor);
    for name in ["left", "right"] {
        prepare(&directory.path().join(format!("{name}.db")), &[SCHEMA]).await;
    }
    let left = Device::start("left", &directory, &hub, registry()).await;
    let right = Device::start("right", &directory, &hub, registry()).await;
    left.run("INSERT INTO goods VALUES ('1', 'tea', 10), ('2', 'cup', 20)")
        .await;
    right.holds(GOODS, &["'1','tea',10", "'2','cup',20"]).await;
    right.settled().await;
    (left, right, directory, hub)
}

#[tokio::test]
async fn a_notified_row_travels_although_no_trigger_saw_it() {
    for flavor in FLAVORS {
        let (left, right, _directory, _hub) = stocked(flavor).await;
        left.run_unseen(
            "UPDATE goods SET product = 'mint', quantity = quantity - 2 WHERE id = '1'; DELETE FROM goods WHERE id = '2';
             INSERT INTO goods VALUES ('3', 'pot', 3)",
        )
        .await;
        left.settled().await;
        right.holds(GOODS, &["'1','tea',10", "'2','cup',20"]).await;

        let upsert = |text| {
            let (sync, id) = (&left.sync, id(text));
            async move {
                sync.notify_local_upsert::<Good>(&id)
                    .await
                    .expect("it is looked at")
            }
        };
        assert!(upsert("1").await, "it has changed");
        assert!(upsert("3").await, "it is new");
        let deleted = left.sync.notify_local_delete::<Good>(&id("2")).await;
        assert!(deleted.expect("it is looked at"), "it is gone");
        right.holds(GOODS, &["'1','mint',8", "'3','pot',3"]).await;
        left.settled().await;
        for unchanged in ["1", "2", "3", "4"] {
            assert!(!upsert(unchanged).await, "{unchanged} is as it was");
        }
        left.close().await;
        right.close().await;
    }
}

#[tokio::test]
async fn a_notified_row_that_others_have_changed_too_keeps_its_values_and_says_so() {
    let (left, right, _directory, hub) = stocked(Flavor::Mesh).await;
    hub.network().partition("left", "right");
    left.run_unseen("UPDATE goods SET product = 'mint', quantity = 4 WHERE id = '1'")
        .await;
    right
        .run("UPDATE goods SET product = 'kettle', quantity = quantity - 1 WHERE id = '1'")
        .await;
    right.settled().await;
    // The document comes in first: nobody knows what the local change was made from.
    left.store
        .set_fault_hook(|call| matches!(call, StoreCall::Fetch(_)).then_some(Fault::Unavailable));
    let noted = left.sync.notify_local_upsert::<Good>(&id("1")).await;
    assert!(noted.expect("it is looked at"));
    let mut events = left.sync.events();
    hub.network().heal("left", "right");
    while left.store.documents(Good::descriptor())[0].1.get("product") != Some(&"kettle".into()) {
        tokio::task::yield_now().await;
    }
    left.store.clear_faults();
    let conflict = loop {
        if let SyncEvent::Conflict(conflict) = events.next().await.expect("it runs") {
            break conflict;
        }
    };
    assert_eq!(conflict.kind, ConflictKind::LocalKept);
    for device in [&left, &right] {
        device.holds(GOODS, &["'1','mint',9", "'2','cup',20"]).await;
    }
    left.close().await;
    right.close().await;
}

#[tokio::test]
async fn what_was_noted_survives_a_shutdown_before_it_met_its_document() {
    for flavor in FLAVORS {
        let (left, right, directory, hub) = stocked(flavor).await;
        left.run_unseen("UPDATE goods SET product = 'mint' WHERE id = '1'; DELETE FROM goods WHERE id = '2'")
            .await;
        left.store
            .set_fault_hook(|call| matches!(call, StoreCall::Fetch(_)).then_some(Fault::Unavailable));
        assert!(
            left.sync
                .notify_local_upsert::<Good>(&id("1"))
                .await
                .expect("it is looked at")
        );
        assert!(
            left.sync
                .notify_local_delete::<Good>(&id("2"))
                .await
                .expect("it is looked at")
        );
        left.store.clear_faults();
        left.store
            .set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
        left.sync.shutdown().await.expect("a clean shutdown");
        left.store.clear_faults();
        let left = Device::start("left", &directory, &hub, registry()).await;
        right.holds(GOODS, &["'1','mint',10"]).await;
        left.holds(GOODS, &["'1','mint',10"]).await;
        left.close().await;
        right.close().await;
    }
}

#[tokio::test]
async fn models_that_are_not_there_are_named() {
    let pair = Pair::new(SCHEMA, registry).await;
    let sync = &pair.left.sync;
    let unknown = [
        sync.notify_local_upsert::<Nowhere>(&id("1"))
            .await
            .expect_err("unknown"),
        sync.hydrate::<Nowhere>().await.expect_err("unknown"),
        sync.unregister::<Nowhere>().await.expect_err("unknown"),
        sync.seed_model::<Nowhere>().await.expect_err("unknown"),
        sync.observe_only(["goods", "nowhere"])
            .await
            .expect_err("unknown"),
    ];
    for error in unknown {
        assert!(matches!(error, ModelError::UnknownCollection { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("`nowhere`") && text.contains("goods, crates"),
            "{text}"
        );
    }
    let send_only = sync.hydrate::<Slip>().await.expect_err("nothing is taken in");
    assert!(matches!(send_only, ModelError::SendOnly { collection: "slips" }));
    pair.close().await;
}

#[tokio::test]
async fn only_what_is_chosen_is_observed_and_everything_is_sent() {
    for flavor in FLAVORS {
        let (left, right, _directory, _hub) = stocked(flavor).await;
        right.sync.observe_only(["crates"]).await.expect("it is known");
        left.run("UPDATE goods SET product = 'mint' WHERE id = '1'; DELETE FROM goods WHERE id = '2'; INSERT INTO crates VALUES ('c', 'here')")
            .await;
        right.holds(CRATES, &["'c','here'"]).await;
        // A row of a collection that is not observed is sent, and meets what others did to it.
        right
            .run("UPDATE goods SET quantity = quantity - 3 WHERE id = '1'; INSERT INTO goods VALUES ('3', 'pot', 1)")
            .await;
        left.holds(GOODS, &["'1','mint',7", "'3','pot',1"]).await;
        right.settled().await;
        right
            .holds(GOODS, &["'1','mint',7", "'2','cup',20", "'3','pot',1"])
            .await;
        // Once asked for, all of it is here.
        let report = right.sync.hydrate::<Good>().await.expect("it is compared");
        assert_eq!((report.collection, report.applied), ("goods", 1), "{report:?}");
        assert!(report.compared >= 3, "{report:?}");
        right.holds(GOODS, &["'1','mint',7", "'3','pot',1"]).await;
        left.run("UPDATE goods SET product = 'can' WHERE id = '3'; UPDATE crates SET place = 'there'")
            .await;
        right.holds(CRATES, &["'c','there'"]).await;
        right.holds(GOODS, &["'1','mint',7", "'3','pot',1"]).await;
        right.sync.observe_all().await.expect("it runs");
        right.holds(GOODS, &["'1','mint',7", "'3','can',1"]).await;
        let report = right.sync.hydrate::<Good>().await.expect("it is compared");
        assert_eq!((report.compared, report.applied), (2, 0));
        left.close().await;
        right.close().await;
    }
}

#[tokio::test]
async fn an_unregistered_model_rests_and_loses_nothing() {
    for flavor in FLAVORS {
        let (left, right, directory, hub) = stocked(flavor).await;
        right.sync.unregister::<Good>().await.expect("it is known");
        right.sync.unregister::<Good>().await.expect("twice is once");
        left.run("UPDATE goods SET product = 'mint' WHERE id = '1'; INSERT INTO crates VALUES ('c', 'here')")
            .await;
        right
            .run("UPDATE goods SET quantity = quantity - 3; INSERT INTO crates VALUES ('d', 'here')")
            .await;
        for device in [&left, &right] {
            device.holds(CRATES, &["'c','here'", "'d','here'"]).await;
            device.settled().await;
        }
        left.holds(GOODS, &["'1','mint',10", "'2','cup',20"]).await;
        right.holds(GOODS, &["'1','tea',7", "'2','cup',17"]).await;
        right.reports("goods", |goods| goods.pending == 2).await;
        let refused = right.sync.hydrate::<Good>().await.expect_err("it rests");
        assert!(matches!(refused, ModelError::Unregistered { .. }), "{refused:?}");
        right.close().await;

        let right = Device::start("right", &directory, &hub, registry()).await;
        for device in [&left, &right] {
            device.holds(GOODS, &["'1','mint',7", "'2','cup',17"]).await;
        }
        left.close().await;
        right.close().await;
    }
}

#[tokio::test]
async fn a_fixed_batch_size_holds_both_ways() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = running(Flavor::Ditto);
    for name in ["left", "right"] {
        prepare(&directory.path().join(format!("{name}.db")), &[SCHEMA]).await;
    }
    let config = || SyncConfig::adaptive().batch_size(3);
    let (written, fetched) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let left = Device::configured("left", &directory, &hub, registry(), config()).await;
    let right = Device::configured("right", &directory, &hub, registry(), config()).await;
    let largest = Arc::clone(&written);
    left.store.set_fault_hook(move |call| {
        if let StoreCall::Write(intent) = call {
            largest.fetch_max(intent.operations.len(), Ordering::Relaxed);
        }
        None
    });
    let largest = Arc::clone(&fetched);
    right.store.set_fault_hook(move |call| {
        if let StoreCall::Fetch(ids) = call {
            largest.fetch_max(ids.len(), Ordering::Relaxed);
        }
        None
    });
    left.run("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO goods SELECT i, 'x', i FROM n")
        .await;
    right.holds("SELECT quote(count(*)) FROM goods", &["20"]).await;
    left.sync.settled(PATIENCE).await.expect("it settles");
    assert_eq!(written.load(Ordering::Relaxed), 3);
    assert_eq!(fetched.load(Ordering::Relaxed), 3);
    left.close().await;
    right.close().await;
}

#[tokio::test]
async fn a_collection_that_is_not_observed_keeps_no_other_from_changing_its_scope() {
    let schema = "CREATE TABLE shelves (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL);
        CREATE TABLE racks (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL)";
    let (shelves, racks) = (
        "SELECT quote(id) FROM shelves ORDER BY id",
        "SELECT quote(id) FROM racks ORDER BY id",
    );
    let registry = |branch: &str| {
        let models = SyncRegistry::new().with::<Shelf>().with::<Rack>();
        models.context("branch", branch)
    };
    for flavor in FLAVORS {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = running(flavor);
        for name in ["left", "right"] {
            prepare(&directory.path().join(format!("{name}.db")), &[schema]).await;
        }
        let left = Device::start("left", &directory, &hub, registry("b")).await;
        left.run("INSERT INTO shelves VALUES ('1', 'b'); INSERT INTO racks VALUES ('1', 'b')")
            .await;
        left.settled().await;
        let right = Device::start("right", &directory, &hub, registry("a")).await;
        right.sync.observe_only(["racks"]).await.expect("it is known");
        right.sync.set_context("branch", "b").await.expect("it fits");
        right.sync.reconciled(PATIENCE).await.expect("it changes over");
        right.holds(racks, &["'1'"]).await;
        right.holds(shelves, &[]).await;
        right.sync.observe_all().await.expect("it runs");
        right.holds(shelves, &["'1'"]).await;
        left.close().await;
        right.close().await;
    }
}
