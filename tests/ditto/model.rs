//! The model of these tests, and a device that mirrors it.

use std::{path::Path, time::Duration};

use ditto_sync::{
    DocumentStore,
    ditto_sdk::{DittoConfig, DittoConfigConnect, logger::DittoLogger},
    prelude::*,
};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase")]
pub(crate) struct Stock {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    price: f64,
    #[ditto(counter)]
    quantity: i64,
    #[ditto(json)]
    labels: Vec<String>,
    picture: Option<Vec<u8>>,
}

/// A store in this directory that talks to nobody.
pub(crate) async fn open_store(directory: &Path) -> DittoStore {
    DittoLogger::set_logging_enabled(false);
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    let config = DittoConfig::new("ditto-sync-tests", connect).with_persistence_directory(directory);
    DittoStore::open(config).await.expect("the engine opens")
}

/// A database and its coordinator.
pub(crate) struct Device {
    pub(crate) repository: SqliteRepository,
    pub(crate) sync: SyncHandle,
}

impl Device {
    pub(crate) async fn start(file: &Path, store: impl DocumentStore) -> Self {
        let repository = SqliteRepository::open(file).await.expect("the database opens");
        repository
            .create_missing_tables::<Stock>()
            .await
            .expect("tables can be made");
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let registry = SyncRegistry::new().with::<Stock>().config(config);
        let sync = registry
            .start(repository.clone(), store)
            .await
            .expect("it starts");
        Self { repository, sync }
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        let done = sqlx::raw_sql(sql).execute(self.repository.pool()).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Every row, with each value as a SQL literal.
    pub(crate) async fn rows(&self) -> Vec<String> {
        let select = "SELECT quote(id) || quote(product) || quote(price) || quote(quantity) || quote(labels) || quote(picture) \
                      FROM stocks ORDER BY id";
        let rows = sqlx::query_scalar(select).fetch_all(self.repository.pool()).await;
        rows.expect("rows can be read")
    }

    pub(crate) async fn settle(&self) {
        self.sync
            .settled(PATIENCE)
            .await
            .expect("everything local reaches the store");
    }

    pub(crate) async fn stop(self) {
        self.sync.shutdown().await.expect("it stops");
        self.repository.pool().close().await;
    }
}

/// Waits until both have the same rows.
pub(crate) async fn in_step(one: &Device, other: &Device) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        one.settle().await;
        other.settle().await;
        let (ours, theirs) = (one.rows().await, other.rows().await);
        if ours == theirs {
            return ours;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{ours:?} and {theirs:?} are never in step: {:?}",
            other.sync.status().borrow()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
