//! A database with a coordinator: [`Device`].

use std::{path::Path, time::Duration};

use ditto_sync::{DocumentStore, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use rusqlite::Connection;

use crate::{baseline, counters::Counter};

/// Long enough for any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// A database with a coordinator, and a connection of the app that knows nothing of it.
pub(crate) struct Device {
    pub(crate) repository: SqliteRepository,
    pub(crate) sync: SyncHandle,
    pub(crate) app: Connection,
}

impl Device {
    /// The table is made if it is missing. Returns once nothing is left to do.
    pub(crate) async fn start(path: &Path, store: impl DocumentStore) -> Self {
        let device = Self::start_at_once(path, store).await;
        device.quiet().await;
        device
    }

    /// The same, without waiting for anything.
    pub(crate) async fn start_at_once(path: &Path, store: impl DocumentStore) -> Self {
        let app = baseline::open(path);
        let exists: bool = app
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'counters')",
                [],
                |row| row.get(0),
            )
            .expect("the schema");
        if !exists {
            app.execute_batch(crate::counters::SCHEMA)
                .expect("the table is made");
        }
        let repository = SqliteRepository::open(path).await.expect("opens");
        let sync = SyncRegistry::new()
            .with::<Counter>()
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), store)
            .await
            .expect("starts");
        Self {
            repository,
            sync,
            app,
        }
    }

    /// Waits until everything is compared and sent.
    pub(crate) async fn quiet(&self) {
        self.sync.reconciled(PATIENCE).await.expect("is compared");
        self.sync.settled(PATIENCE).await.expect("settles");
    }

    /// Fails if anything is left over that should not be.
    pub(crate) fn nothing_is_wrong(&self) {
        let status = self.sync.status();
        let status = status.borrow();
        let counters = status.collections.get("counters").expect("the collection");
        assert_eq!((counters.pending, counters.quarantined), (0, 0), "{counters:?}");
    }

    /// What tells whether anybody has written to the database between two calls.
    pub(crate) fn data_version(&self) -> i64 {
        self.app
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .expect("the data version")
    }

    pub(crate) async fn close(self) {
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
    }
}
