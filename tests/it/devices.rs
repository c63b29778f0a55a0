//! Devices for tests: each a SQLite file and a coordinator, all on one memory hub.

use std::{path::PathBuf, time::Duration};

use ditto_sync::{CollectionStatus, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, Network};
use sqlx::{Row, SqlitePool};
use tempfile::TempDir;

/// Long enough for any machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two devices that hear each other.
pub(crate) struct Pair {
    pub(crate) left: Device,
    pub(crate) right: Device,
    pub(crate) hub: MemoryHub,
    pub(crate) network: Network,
    pub(crate) directory: TempDir,
    wire: tokio::task::JoinHandle<()>,
}

/// One device.
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) repository: SqliteRepository,
    pub(crate) sync: SyncHandle,
    pub(crate) store: MemoryStore,
}

impl Pair {
    /// Two devices with this schema and these models, on the store flavour that tells us least.
    pub(crate) async fn new(schema: &str, registry: impl Fn() -> SyncRegistry) -> Self {
        Self::with_rows(schema, "", registry).await
    }

    /// The same; the left one has run `rows` before the framework saw its database.
    pub(crate) async fn with_rows(schema: &str, rows: &str, registry: impl Fn() -> SyncRegistry) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let running = network.clone();
        let wire = tokio::spawn(async move { running.run().await });
        prepare(&directory.path().join("left.db"), &[schema, rows]).await;
        prepare(&directory.path().join("right.db"), &[schema]).await;
        let left = Device::start("left", &directory, &hub, registry()).await;
        let right = Device::start("right", &directory, &hub, registry()).await;
        Self {
            left,
            right,
            hub,
            network,
            directory,
            wire,
        }
    }

    /// Runs SQL on the left, one statement or several.
    pub(crate) async fn on_left(&self, sql: &str) {
        self.left.run(sql).await;
    }

    /// Runs SQL on the right.
    pub(crate) async fn on_right(&self, sql: &str) {
        self.right.run(sql).await;
    }

    /// Waits until `select` answers the same on both sides and nothing is pending; returns the answer.
    pub(crate) async fn in_step(&self, select: &str) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.left.sync.settled(PATIENCE).await.expect("the left settles");
            self.right
                .sync
                .settled(PATIENCE)
                .await
                .expect("the right settles");
            let (left, right) = (self.left.rows(select).await, self.right.rows(select).await);
            if left == right {
                return left;
            }
            let states = (
                self.left.sync.status().borrow().clone(),
                self.right.sync.status().borrow().clone(),
            );
            assert!(
                tokio::time::Instant::now() < deadline,
                "not in step: {left:?} on the left, {right:?} on the right; {states:#?}"
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Waits until both sides answer `select` with `expected`.
    pub(crate) async fn both_hold(&self, select: &str, expected: &[&str]) {
        for device in [&self.left, &self.right] {
            device.holds(select, expected).await;
        }
    }

    pub(crate) fn part(&self) {
        self.network.partition("left", "right");
    }

    pub(crate) fn rejoin(&self) {
        self.network.heal("left", "right");
    }

    pub(crate) async fn close(self) {
        self.left.close().await;
        self.right.close().await;
        self.network.shutdown();
        self.wire.await.expect("the wire ends");
    }
}

impl Device {
    pub(crate) async fn start(
        name: &'static str,
        directory: &TempDir,
        hub: &MemoryHub,
        registry: SyncRegistry,
    ) -> Self {
        let config = SyncConfig::adaptive();
        Self::configured(name, directory, hub, registry, config).await
    }

    /// The same, with a configuration of its own, but for the startup delay.
    pub(crate) async fn configured(
        name: &'static str,
        directory: &TempDir,
        hub: &MemoryHub,
        registry: SyncRegistry,
        config: SyncConfig,
    ) -> Self {
        let repository = SqliteRepository::open(directory.path().join(format!("{name}.db")))
            .await
            .expect("the database opens");
        let config = config.startup_delay(Duration::ZERO);
        let store = hub.store(name);
        let sync = registry
            .config(config)
            .start(repository.clone(), store.clone())
            .await
            .expect("the coordinator starts");
        Self {
            name,
            repository,
            sync,
            store,
        }
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        self.repository.pool()
    }

    pub(crate) async fn run(&self, sql: &str) {
        run(self.pool(), sql).await;
    }

    /// Each row's columns as SQL literals, joined by a comma: types count.
    pub(crate) async fn rows(&self, select: &str) -> Vec<String> {
        rows(self.pool(), select).await
    }

    /// Waits until `select` answers `expected`.
    pub(crate) async fn holds(&self, select: &str, expected: &[&str]) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = self.rows(select).await;
            if found == expected {
                return;
            }
            let status = self.sync.status().borrow().clone();
            assert!(
                tokio::time::Instant::now() < deadline,
                "{}: {select} answers {found:?} and not {expected:?}; {status:#?}",
                self.name
            );
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Waits until the status of a collection is as wanted.
    pub(crate) async fn reports(&self, collection: &str, wanted: impl Fn(&CollectionStatus) -> bool) {
        let mut status = self.sync.status();
        let reached = status.wait_for(|status| status.collections.get(collection).is_some_and(&wanted));
        let reached = tokio::time::timeout(PATIENCE, reached)
            .await
            .is_ok_and(|outcome| outcome.is_ok());
        assert!(
            reached,
            "{}: {collection} never came into the wanted state: {:#?}",
            self.name,
            self.sync.status().borrow()
        );
    }

    pub(crate) async fn close(self) {
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
    }

    /// Runs SQL that no capture trigger sees, as on a connection that has triggers switched off.
    pub(crate) async fn run_unseen(&self, sql: &str) {
        self.run(&format!(
            "BEGIN IMMEDIATE; UPDATE ditto_sync_guard SET active = -1; {sql};
             UPDATE ditto_sync_guard SET active = 0; COMMIT"
        ))
        .await;
    }

    pub(crate) async fn settled(&self) {
        self.sync.settled(PATIENCE).await.expect("it settles");
    }
}

/// A hub whose stores hear each other.
pub(crate) fn running(flavor: Flavor) -> MemoryHub {
    let hub = MemoryHub::new(MemoryConfig::new(flavor));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    tokio::spawn(async move { network.run().await });
    hub
}

pub(crate) async fn run(pool: &SqlitePool, sql: &str) {
    if !sql.is_empty() {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// `select` answers expressions `quote(..)`; one text a row.
pub(crate) async fn rows(pool: &SqlitePool, select: &str) -> Vec<String> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(select.to_owned()))
        .fetch_all(pool)
        .await;
    let rows = rows.unwrap_or_else(|error| panic!("{select}: {error}"));
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|at| row.get::<String, _>(at))
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect()
}

/// Runs SQL on a database the framework has not seen.
pub(crate) async fn prepare(path: &PathBuf, sql: &[&str]) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options)
        .await
        .expect("the database opens");
    for sql in sql {
        run(&pool, sql).await;
    }
    pool.close().await;
}
