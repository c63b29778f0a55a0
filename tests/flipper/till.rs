//! Tills for tests: SQLite files with the models of the app, on one memory hub with a till that runs the app itself.

use std::time::Duration;

use ditto_sync::{SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, Network};
use sqlx::{AssertSqlSafe, Row};
use tempfile::TempDir;

use crate::{
    documents::{BRANCH, BUSINESS, models},
    flipper_till::FlipperTill,
};

/// Long enough for any machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A shop: a till that runs the app, and any number of ours.
pub(crate) struct Shop {
    pub(crate) flipper: FlipperTill,
    pub(crate) network: Network,
    hub: MemoryHub,
    directory: TempDir,
}

/// A till of ours.
pub(crate) struct Till {
    pub(crate) repository: SqliteRepository,
    pub(crate) sync: SyncHandle,
}

impl Shop {
    pub(crate) fn new(flavor: Flavor) -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let wire = network.clone();
        tokio::spawn(async move { wire.run().await });
        Self {
            flipper: FlipperTill::new(hub.store("flipper")),
            network,
            hub,
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) async fn till(&self, name: &str) -> Till {
        let path = self.directory.path().join(format!("{name}.db"));
        let repository = SqliteRepository::open(path).await.expect("the database opens");
        let created = repository.create_missing_tables_of(&models()).await;
        created.expect("the tables are created");
        let sync = SyncRegistry::discover()
            .expect("the models agree")
            .context("branchId", BRANCH)
            .context("businessId", BUSINESS)
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), self.hub.store(name))
            .await
            .expect("the coordinator starts");
        Till { repository, sync }
    }
}

impl Till {
    pub(crate) async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(self.repository.pool())
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The one value that `select` answers, as text.
    pub(crate) async fn answer(&self, select: &str) -> Option<String> {
        sqlx::query(AssertSqlSafe(format!("SELECT CAST(({select}) AS TEXT)")))
            .fetch_one(self.repository.pool())
            .await
            .unwrap_or_else(|error| panic!("{select}: {error}"))
            .get(0)
    }

    /// Waits until `select` answers `expected`.
    pub(crate) async fn holds(&self, select: &str, expected: &str) {
        let found = || async { (self.answer(select).await.as_deref() == Some(expected)).then_some(()) };
        let what = format!("`{select}` answers `{expected}`");
        wait_for(&what, found).await;
    }

    pub(crate) async fn settle(&self) {
        self.sync.settled(PATIENCE).await.expect("it settles");
    }
}

/// Waits until `ready` answers something.
pub(crate) async fn wait_for<T>(what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ready().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
