//! Whole devices whose stores come and go, that are paused and resumed, and several of them in one process.

use std::time::Duration;

use ditto_sync::{
    DittoAdapter, PauseError, Phase, Repository, RepositoryError, SqliteRepository, StoreSlot, SyncConfig,
    SyncHandle, SyncRegistry,
};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore};
use tempfile::TempDir;

use crate::devices::{self, PATIENCE, Pair, prepare};

#[derive(DittoAdapter)]
#[ditto(collection = "jobs")]
struct Job {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    steps: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "parcels")]
struct Parcel {
    #[ditto(id)]
    id: String,
    weight: i64,
}

const JOBS: &str = "SELECT quote(id), quote(steps) FROM jobs ORDER BY id";
const PARCELS: &str = "SELECT quote(id), quote(weight) FROM parcels ORDER BY id";
const SCHEMA: &str = "CREATE TABLE jobs (id TEXT PRIMARY KEY NOT NULL, steps INTEGER NOT NULL)";
const PARCEL_SCHEMA: &str = "CREATE TABLE parcels (id TEXT PRIMARY KEY NOT NULL, weight INTEGER NOT NULL)";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Job>()
}

#[tokio::test]
async fn a_paused_device_leaves_its_file_to_others_and_catches_up_when_resumed() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO jobs VALUES ('1', 10)").await;
    pair.both_hold(JOBS, &["'1',10"]).await;

    pair.right.sync.pause().await.expect("it pauses");
    pair.on_left("UPDATE jobs SET steps = steps + 1").await;
    pair.left.sync.settled(PATIENCE).await.expect("the left settles");
    pair.on_right("UPDATE jobs SET steps = steps + 5; INSERT INTO jobs VALUES ('2', 0)")
        .await;
    pair.right.holds(JOBS, &["'1',15", "'2',0"]).await;

    // Another coordinator may have the file meanwhile; then resuming says who is in the way, and can be repeated.
    let path = pair.directory.path().join("right.db");
    let other = SqliteRepository::open(&path).await.expect("the database opens");
    let models = [Job::descriptor()];
    other.prepare(&models).await.expect("nobody has the lock");
    let refused = pair.right.sync.resume().await.expect_err("the other one has it");
    assert!(
        matches!(&refused, PauseError::Repository(RepositoryError::InUse { .. })),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("right.db"),
        "it names the file: {refused}"
    );
    other.close().await;

    pair.right.sync.resume().await.expect("the file is free");
    pair.both_hold(JOBS, &["'1',16", "'2',0"]).await;
    pair.in_step(JOBS).await;
    pair.close().await;
}

#[tokio::test]
async fn a_paused_device_has_no_connection_but_those_of_the_app() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO jobs VALUES ('1', 10)").await;
    pair.in_step(JOBS).await;
    pair.right.sync.pause().await.expect("it pauses");
    pair.right.pool().close().await;
    // The last connection to close removes the write-ahead log, so nobody has one.
    let log = pair.directory.path().join("right.db-wal");
    assert!(!log.exists(), "someone has the database open");
    pair.left.sync.shutdown().await.expect("a clean shutdown");
    pair.right.sync.shutdown().await.expect("a clean shutdown");
}

#[tokio::test]
async fn a_device_that_starts_paused_captures_from_the_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("till.db");
    prepare(&path, &[SCHEMA]).await;
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
    let store = hub.store("till");
    let repository = SqliteRepository::open(&path).await.expect("it opens");
    let sync = registry()
        .config(SyncConfig::adaptive().start_paused(true))
        .start(repository.clone(), store.clone())
        .await
        .expect("it starts");
    assert_eq!(sync.status().borrow().phase, Phase::Paused);
    devices::run(
        repository.pool(),
        "INSERT INTO jobs VALUES ('1', 1); DELETE FROM jobs; INSERT INTO jobs VALUES ('2', 2)",
    )
    .await;
    assert_eq!(store.operations_applied(), 0);
    sync.resume().await.expect("it begins");
    sync.settled(PATIENCE).await.expect("it settles");
    assert_eq!(store.operations_applied(), 1, "the row that stayed");
    sync.shutdown().await.expect("a clean shutdown");
}

#[tokio::test]
async fn a_device_works_before_there_is_a_store_and_between_two() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = running(Flavor::Ditto);
    let slot = StoreSlot::<MemoryStore>::empty();
    let (repository, sync) = start(&directory, "till", SCHEMA, registry(), slot.clone()).await;
    devices::run(repository.pool(), "INSERT INTO jobs VALUES ('1', 1)").await;
    let mut status = sync.status();
    let waiting = status.wait_for(|status| status.phase == Phase::AwaitingStore && status.pending() == 1);
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it waits for a store")
        .expect("it runs");

    let store = hub.store("till");
    slot.set_store(Some(store.clone()));
    sync.settled(PATIENCE).await.expect("it settles");
    slot.set_store(None);
    devices::run(repository.pool(), "UPDATE jobs SET steps = steps + 1").await;
    slot.set_store(Some(store.clone()));
    sync.settled(PATIENCE).await.expect("it settles");
    let documents = store.documents(Job::descriptor());
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].1.get("steps"), Some(&ditto_sync::Value::Int(2)));
    sync.shutdown().await.expect("a clean shutdown");
}

#[tokio::test]
async fn several_databases_and_devices_live_in_one_process() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (jobs, parcels) = (running(Flavor::Mesh), running(Flavor::Ditto));
    let parcel_registry = || SyncRegistry::new().with::<Parcel>();
    let one = start(&directory, "one", SCHEMA, registry(), jobs.store("one")).await;
    let two = start(&directory, "two", SCHEMA, registry(), jobs.store("two")).await;
    let three = start(
        &directory,
        "three",
        PARCEL_SCHEMA,
        parcel_registry(),
        parcels.store("three"),
    )
    .await;
    let four = start(
        &directory,
        "four",
        PARCEL_SCHEMA,
        parcel_registry(),
        parcels.store("four"),
    )
    .await;
    let writes = async {
        for _ in 0..10 {
            devices::run(
                one.0.pool(),
                "INSERT INTO jobs VALUES ('1', 1) ON CONFLICT DO UPDATE SET steps = steps + 1",
            )
            .await;
            devices::run(
                three.0.pool(),
                "INSERT INTO parcels VALUES ('1', 1) ON CONFLICT DO UPDATE SET weight = weight + 1",
            )
            .await;
        }
    };
    writes.await;
    holds(&two.0, JOBS, &["'1',10"]).await;
    holds(&four.0, PARCELS, &["'1',10"]).await;
    // One of them pauses, one stops: the others do not notice.
    one.1.pause().await.expect("it pauses");
    four.1.shutdown().await.expect("a clean shutdown");
    devices::run(two.0.pool(), "INSERT INTO jobs VALUES ('2', 2)").await;
    two.1.settled(PATIENCE).await.expect("it settles");
    one.1.resume().await.expect("it goes on");
    holds(&one.0, JOBS, &["'1',10", "'2',2"]).await;
    for sync in [one.1, two.1, three.1] {
        sync.shutdown().await.expect("a clean shutdown");
    }
}

fn running(flavor: Flavor) -> MemoryHub {
    let hub = MemoryHub::new(MemoryConfig::new(flavor));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    tokio::spawn(async move { network.run().await });
    hub
}

async fn start<S: ditto_sync::DocumentStore>(
    directory: &TempDir,
    name: &str,
    schema: &str,
    registry: SyncRegistry,
    store: S,
) -> (SqliteRepository, SyncHandle) {
    let path = directory.path().join(format!("{name}.db"));
    prepare(&path, &[schema]).await;
    let repository = SqliteRepository::open(path).await.expect("the database opens");
    let sync = registry
        .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
        .start(repository.clone(), store)
        .await
        .expect("the coordinator starts");
    (repository, sync)
}

async fn holds(repository: &SqliteRepository, select: &str, expected: &[&str]) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = devices::rows(repository.pool(), select).await;
        if found == expected {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{select} answers {found:?} and not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
