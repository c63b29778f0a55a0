//! A device with many synced rows, and what it holds for them: [`receiving`], [`sending`].
//!
//! Counted is what Rust code has allocated, so neither SQLite's page cache nor the store is in it: that has no documents. Not here: how much is too much.

use std::time::Duration;

use ditto_sync::{DittoAdapter, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use peak_alloc::PeakAlloc;
use tempfile::TempDir;

use crate::endless_store::{EndlessStore, id_of};

const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes, of all rows together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// More than before there were any rows, when all is quiet.
    pub(crate) steady: usize,
    /// The most there was at a time while all rows were compared with the store again, beyond that.
    pub(crate) comparing: usize,
}

#[derive(DittoAdapter)]
#[ditto(collection = "rows")]
struct Row {
    #[ditto(id)]
    id: String,
    name: String,
    amount: i64,
}

struct Device {
    sync: SyncHandle,
    repository: SqliteRepository,
    store: EndlessStore,
    _directory: TempDir,
}

/// The rows come from the store.
pub(crate) async fn receiving(allocator: &PeakAlloc, rows: u64) -> Figures {
    let device = Device::start().await;
    let before = allocator.current_usage();
    device.store.fill(rows);
    device.compare().await;
    device.figures(allocator, (before, rows)).await
}

/// The rows are written by the app.
pub(crate) async fn sending(allocator: &PeakAlloc, rows: u64) -> Figures {
    let device = Device::start().await;
    let before = allocator.current_usage();
    let mut transaction = device.repository.begin().await.expect("a transaction");
    for number in 1..=rows {
        sqlx::query("INSERT INTO rows (id, name, amount) VALUES (?, ?, ?)")
            .bind(id_of(number))
            .bind(format!("row {number}"))
            .bind(i64::try_from(number).expect("a small number"))
            .execute(&mut *transaction)
            .await
            .expect("an insert");
    }
    transaction.commit().await.expect("a commit");
    device.sync.settled(PATIENCE).await.expect("everything is sent");
    device.figures(allocator, (before, rows)).await
}

impl Device {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let repository = SqliteRepository::open(directory.path().join("rows.db"))
            .await
            .expect("the database opens");
        repository
            .create_missing_tables::<Row>()
            .await
            .expect("the table is made");
        let store = EndlessStore::default();
        let sync = SyncRegistry::new()
            .with::<Row>()
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), store.clone())
            .await
            .expect("the coordinator starts");
        let device = Self {
            sync,
            repository,
            store,
            _directory: directory,
        };
        device.compare().await;
        device
    }

    /// Compares all rows with the store, and waits until nothing is left to do.
    async fn compare(&self) {
        self.sync.reconcile().await;
        self.sync.reconciled(PATIENCE).await.expect("all is compared");
        self.sync
            .settled(PATIENCE)
            .await
            .expect("nothing is left to send");
    }

    async fn figures(self, allocator: &PeakAlloc, (before, rows): (usize, u64)) -> Figures {
        self.compare().await;
        let synced: i64 = sqlx::query_scalar("SELECT count(*) FROM rows")
            .fetch_one(self.repository.pool())
            .await
            .expect("a count");
        assert_eq!(u64::try_from(synced), Ok(rows), "all rows are there");
        let quiet = allocator.current_usage();
        allocator.reset_peak_usage();
        self.compare().await;
        let peak = allocator.peak_usage();
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
        Figures {
            steady: quiet.saturating_sub(before),
            comparing: peak.saturating_sub(quiet),
        }
    }
}
