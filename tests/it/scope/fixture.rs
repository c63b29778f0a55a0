//! A head office that holds everything, and tills that hold their part: [`World`].

use ditto_sync::{DittoAdapter, Query, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, Network};
use tempfile::TempDir;

use super::watched_store::WatchedStore;
use crate::devices::{Device, PATIENCE, prepare};

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch))]
pub(crate) struct Stock {
    #[ditto(id)]
    id: String,
    branch: Option<String>,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch), left_scope = "keep")]
pub(crate) struct KeptStock {
    #[ditto(id)]
    id: String,
    branch: Option<String>,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct AnyStock {
    #[ditto(id)]
    id: String,
    branch: Option<String>,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "lines", scope(branch))]
pub(crate) struct Line {
    #[ditto(id)]
    id: String,
    branch: String,
    stock_id: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "lines")]
struct AnyLine {
    #[ditto(id)]
    id: String,
    branch: String,
    stock_id: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "transfers", scope(any(from_branch, to_branch)))]
pub(crate) struct Transfer {
    #[ditto(id)]
    id: String,
    from_branch: Option<String>,
    to_branch: Option<String>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "sales", filter = "total >= :least")]
pub(crate) struct Sale {
    #[ditto(id)]
    id: String,
    total: i64,
}

pub(crate) const STOCKS: &str = "SELECT quote(id), quote(branch), quote(quantity) FROM stocks ORDER BY id";
pub(crate) const LINES: &str = "SELECT quote(id) FROM lines ORDER BY id";
pub(crate) const TRANSFERS: &str =
    "SELECT quote(id), quote(from_branch), quote(to_branch) FROM transfers ORDER BY id";
pub(crate) const SALES: &str = "SELECT quote(id), quote(total) FROM sales ORDER BY id";

/// The scope of one branch.
pub(crate) fn branch(name: &str) -> Query {
    Query::scope(Stock::descriptor())
        .expect("stocks have a scope")
        .with("branch", name)
}

/// Devices that hear each other, one of them a head office without a scope.
pub(crate) struct World {
    pub(crate) office: Device,
    schema: String,
    hub: MemoryHub,
    network: Network,
    directory: TempDir,
    wire: tokio::task::JoinHandle<()>,
}

impl World {
    pub(crate) async fn new(flavor: Flavor) -> Self {
        Self::with_references(flavor, "").await
    }

    /// Lines refer to stocks.
    pub(crate) async fn with_foreign_key(flavor: Flavor, action: &str) -> Self {
        Self::with_references(flavor, &format!("REFERENCES stocks (id) {action}")).await
    }

    async fn with_references(flavor: Flavor, references: &str) -> Self {
        let schema = format!(
            "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, branch TEXT, product TEXT, quantity INTEGER NOT NULL);
             CREATE TABLE lines (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL, stock_id TEXT NOT NULL {references});
             CREATE TABLE transfers (id TEXT PRIMARY KEY NOT NULL, from_branch TEXT, to_branch TEXT);
             CREATE TABLE sales (id TEXT PRIMARY KEY NOT NULL, total INTEGER NOT NULL);"
        );
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let running = network.clone();
        let wire = tokio::spawn(async move { running.run().await });
        prepare(&directory.path().join("office.db"), &[&schema]).await;
        let everything = SyncRegistry::new().with::<AnyStock>().with::<AnyLine>();
        let office = Device::start("office", &directory, &hub, everything).await;
        Self {
            office,
            schema,
            hub,
            network,
            directory,
            wire,
        }
    }

    /// Makes the database of a device before the framework sees it.
    pub(crate) async fn prepare(&self, name: &str, rows: &str) {
        prepare(
            &self.directory.path().join(format!("{name}.db")),
            &[&self.schema, rows],
        )
        .await;
    }

    /// Starts a device, with an empty database if it has none.
    pub(crate) async fn start(&self, name: &'static str, registry: SyncRegistry) -> Device {
        self.prepare_if_new(name).await;
        Device::start(name, &self.directory, &self.hub, registry).await
    }

    /// The same, on a store that tells what it was asked for.
    pub(crate) async fn watched(&self, name: &'static str, registry: SyncRegistry) -> (Device, WatchedStore) {
        self.prepare_if_new(name).await;
        let store = self.hub.store(name);
        let watched = WatchedStore::new(store.clone());
        let repository = self.open(name).await;
        let sync = start(registry, &repository, watched.clone()).await;
        let device = Device {
            name,
            repository,
            sync,
            store,
        };
        (device, watched)
    }

    pub(crate) async fn open(&self, name: &str) -> SqliteRepository {
        SqliteRepository::open(self.directory.path().join(format!("{name}.db")))
            .await
            .expect("the database opens")
    }

    pub(crate) fn hub(&self) -> &MemoryHub {
        &self.hub
    }

    /// Waits until the office and a till answer `select` alike.
    pub(crate) async fn in_step(&self, till: &Device, select: &str) {
        self.office
            .sync
            .settled(PATIENCE)
            .await
            .expect("the office settles");
        let rows = self.office.rows(select).await;
        till.holds(select, &rows.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
    }

    pub(crate) async fn close(self, tills: impl IntoIterator<Item = Device>) {
        for till in tills {
            till.close().await;
        }
        self.office.close().await;
        self.network.shutdown();
        self.wire.await.expect("the wire ends");
    }

    async fn prepare_if_new(&self, name: &str) {
        if !self.directory.path().join(format!("{name}.db")).exists() {
            self.prepare(name, "").await;
        }
    }
}

async fn start(registry: SyncRegistry, repository: &SqliteRepository, store: WatchedStore) -> SyncHandle {
    let config = SyncConfig::adaptive().startup_delay(std::time::Duration::ZERO);
    registry
        .config(config)
        .start(repository.clone(), store)
        .await
        .expect("the coordinator starts")
}
