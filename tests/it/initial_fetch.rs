//! What a start does with what the store holds already.

use ditto_sync::{DittoAdapter, InitialFetch, SyncConfig, SyncRegistry};
use ditto_sync_testkit::{Flavor, MemoryHub, MemoryStore};
use tempfile::TempDir;

use crate::devices::{Device, prepare, running};

#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: String,
    text: String,
}

const SCHEMA: &str = "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL)";
const NOTES: &str = "SELECT quote(id), quote(text) FROM notes ORDER BY id";
const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Note>()
}

fn fetching(fetch: InitialFetch) -> SyncConfig {
    SyncConfig::adaptive().initial_fetch(fetch)
}

/// A device with two notes, and the file of another one.
async fn filled(flavor: Flavor) -> (Device, TempDir, MemoryHub) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = running(flavor);
    for name in ["left", "right"] {
        prepare(&directory.path().join(format!("{name}.db")), &[SCHEMA]).await;
    }
    let left = Device::start("left", &directory, &hub, registry()).await;
    left.run("INSERT INTO notes VALUES ('1', 'a'), ('2', 'b')").await;
    left.settled().await;
    (left, directory, hub)
}

async fn right(directory: &TempDir, hub: &MemoryHub, fetch: InitialFetch) -> Device {
    let right = Device::configured("right", directory, hub, registry(), fetching(fetch)).await;
    right.settled().await;
    right
}

/// Until this store has what the left has sent.
async fn arrived(store: &MemoryStore, left: &Device) {
    left.settled().await;
    let deadline = tokio::time::Instant::now() + crate::devices::PATIENCE;
    while store.documents(Note::descriptor()) != left.store.documents(Note::descriptor()) {
        assert!(tokio::time::Instant::now() < deadline, "the stores never agreed");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_skipped_snapshot_is_the_base_line_and_every_later_change_is_applied() {
    for flavor in FLAVORS {
        let (left, directory, hub) = filled(flavor).await;
        let first = right(&directory, &hub, InitialFetch::Reconcile).await;
        first.holds(NOTES, &["'1','a'", "'2','b'"]).await;
        first.close().await;
        left.run("UPDATE notes SET text = 'missed' WHERE id = '1'; INSERT INTO notes VALUES ('3', 'c')")
            .await;
        arrived(&hub.store("right"), &left).await;

        let skipping = right(&directory, &hub, InitialFetch::Skip).await;
        skipping.holds(NOTES, &["'1','a'", "'2','b'"]).await;
        left.run("UPDATE notes SET text = 'later' WHERE id = '2'; INSERT INTO notes VALUES ('4', 'd')")
            .await;
        skipping
            .holds(NOTES, &["'1','a'", "'2','later'", "'4','d'"])
            .await;
        left.run("DELETE FROM notes WHERE id = '4'; UPDATE notes SET text = 'again' WHERE id = '3'")
            .await;
        skipping
            .holds(NOTES, &["'1','a'", "'2','later'", "'3','again'"])
            .await;
        skipping.close().await;

        // Skipped, not lost: the first start that compares makes up for it.
        let comparing = right(&directory, &hub, InitialFetch::Reconcile).await;
        comparing
            .holds(NOTES, &["'1','missed'", "'2','later'", "'3','again'"])
            .await;
        comparing.close().await;
        left.close().await;
    }
}

#[tokio::test]
async fn changes_during_a_pause_are_no_part_of_what_is_skipped() {
    for flavor in FLAVORS {
        let (left, directory, hub) = filled(flavor).await;
        let skipping = right(&directory, &hub, InitialFetch::Skip).await;
        left.run("INSERT INTO notes VALUES ('3', 'c')").await;
        skipping.holds(NOTES, &["'3','c'"]).await;
        skipping.sync.pause().await.expect("it pauses");
        left.run("INSERT INTO notes VALUES ('4', 'd'); DELETE FROM notes WHERE id = '3'")
            .await;
        arrived(&skipping.store, &left).await;
        skipping.sync.resume().await.expect("it goes on");
        let after = match flavor {
            // Where it stopped is known.
            Flavor::Mesh => vec!["'4','d'"],
            // Where it is not, everything is compared.
            Flavor::Ditto => vec!["'1','a'", "'2','b'", "'4','d'"],
        };
        skipping.holds(NOTES, &after).await;
        skipping.close().await;
        left.close().await;
    }
}

#[tokio::test]
async fn a_store_that_asks_for_a_scan_gets_one_although_the_start_skipped() {
    for flavor in FLAVORS {
        let (left, directory, hub) = filled(flavor).await;
        let skipping = right(&directory, &hub, InitialFetch::Skip).await;
        skipping.holds(NOTES, &[]).await;
        skipping.store.request_rescan();
        skipping.holds(NOTES, &["'1','a'", "'2','b'"]).await;
        skipping.close().await;
        left.close().await;
    }
}

#[tokio::test]
async fn a_local_change_under_skip_meets_its_document_and_overwrites_nothing() {
    for flavor in FLAVORS {
        let (left, directory, hub) = filled(flavor).await;
        prepare(
            &directory.path().join("right.db"),
            &["INSERT INTO notes VALUES ('1', 'older')"],
        )
        .await;
        let skipping = right(&directory, &hub, InitialFetch::Skip).await;
        // It was offered as a seed, which lost against the document that was there.
        skipping.holds(NOTES, &["'1','a'"]).await;
        skipping
            .run("UPDATE notes SET text = 'newer' WHERE id = '1'")
            .await;
        left.holds(NOTES, &["'1','newer'", "'2','b'"]).await;
        skipping.close().await;
        left.close().await;
    }
}

#[tokio::test]
async fn applying_all_anew_mends_what_was_changed_unseen_and_keeps_what_is_unsent() {
    for flavor in FLAVORS {
        let (left, directory, hub) = filled(flavor).await;
        let first = right(&directory, &hub, InitialFetch::Reconcile).await;
        first.holds(NOTES, &["'1','a'", "'2','b'"]).await;
        first
            .run_unseen("UPDATE notes SET text = 'damaged' WHERE id = '1'")
            .await;
        first.close().await;

        let comparing = right(&directory, &hub, InitialFetch::Reconcile).await;
        comparing.holds(NOTES, &["'1','damaged'", "'2','b'"]).await;
        comparing.close().await;
        prepare(
            &directory.path().join("right.db"),
            &["UPDATE notes SET text = 'unsent' WHERE id = '2'"],
        )
        .await;
        let anew = right(&directory, &hub, InitialFetch::All).await;
        anew.holds(NOTES, &["'1','a'", "'2','unsent'"]).await;
        left.holds(NOTES, &["'1','a'", "'2','unsent'"]).await;
        let conflicts = anew.sync.conflicts().await.expect("they are listed");
        assert_eq!(conflicts.len(), 1, "what it held is reported: {conflicts:?}");
        anew.close().await;
        left.close().await;
    }
}

/// The same collection, as a model that each start fetches.
static HYDRATED: ditto_sync::ModelDescriptor = ditto_sync::ModelDescriptor::new(
    "Hydrated",
    "notes",
    "notes",
    &[ditto_sync::FieldDescriptor::of::<String>("id", "id", "id")],
    &[ditto_sync::FieldDescriptor::of::<String>("text", "text", "text")],
)
.with_hydration();

#[tokio::test]
async fn a_model_that_hydrates_on_startup_is_compared_although_the_start_skips() {
    let (left, directory, hub) = filled(Flavor::Ditto).await;
    let repository = ditto_sync::SqliteRepository::open(directory.path().join("right.db"))
        .await
        .expect("the database opens");
    let mut setup = ditto_sync::Setup::new(vec![&HYDRATED]);
    setup.config = fetching(InitialFetch::Skip).startup_delay(std::time::Duration::ZERO);
    let prepared = ditto_sync::Coordinator::prepare(repository.clone(), hub.store("right"), setup).await;
    let (sync, coordinator) = prepared.expect("it is prepared");
    let task = tokio::spawn(coordinator.run());
    sync.settled(crate::devices::PATIENCE).await.expect("it settles");
    assert_eq!(
        crate::devices::rows(repository.pool(), NOTES).await,
        ["'1','a'", "'2','b'"]
    );
    sync.shutdown().await.expect("a clean shutdown");
    task.await.expect("it has ended");
    left.close().await;
}
