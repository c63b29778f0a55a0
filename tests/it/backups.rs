//! Rows that come back from the store: a new database meets a store that holds what the old one had sent.

use std::{
    future::IntoFuture,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ditto_sync::{
    BackupOptions, BackupOutcome, BackupReport, DittoAdapter, DittoHooks, SqliteRepository, SyncConfig,
    SyncEvent, SyncHandle, SyncRegistry,
};
use ditto_sync_testkit::{
    Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, Network, StoreCall,
};
use futures_util::FutureExt;
use tempfile::TempDir;

use crate::devices::{PATIENCE, prepare, rows, run};

/// Sent, never received: what a till keeps elsewhere.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "products", direction = "send_only", backup)]
struct Product {
    #[ditto(id)]
    id: String,
    name: String,
    #[ditto(link(Product))]
    variant_of: Option<String>,
    #[ditto(link(Supplier))]
    supplier: Option<String>,
}

/// No backup of its own: it comes with what links to it. In a circle with its products.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "suppliers", direction = "send_only")]
struct Supplier {
    #[ditto(id)]
    id: String,
    #[ditto(link(Product))]
    best_seller: Option<String>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "sales", direction = "send_only", backup, hooks)]
struct Sale {
    #[ditto(id)]
    id: i64,
    #[ditto(link(Product, cascade = false))]
    product: String,
    amount: i64,
}

static RESTORED: Mutex<Vec<i64>> = Mutex::new(Vec::new());
/// Its hook panics.
const UNLUCKY: i64 = 100_013;

impl DittoHooks for Sale {
    fn on_backup_restored(row: &Self) {
        assert_ne!(row.id, UNLUCKY, "an unlucky number");
        RESTORED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(row.id);
    }
}

const SCHEMA: &str = "PRAGMA foreign_keys = ON;
    CREATE TABLE products (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, variant_of TEXT REFERENCES products (id), supplier TEXT);
    CREATE TABLE suppliers (id TEXT PRIMARY KEY NOT NULL, best_seller TEXT);
    CREATE TABLE sales (id INTEGER PRIMARY KEY NOT NULL, product TEXT NOT NULL REFERENCES products (id), amount INTEGER NOT NULL CHECK (amount < 1000))";
const PRODUCTS: &str = "SELECT quote(id), quote(name), quote(variant_of) FROM products ORDER BY id";
const SUPPLIERS: &str = "SELECT quote(id), quote(best_seller) FROM suppliers ORDER BY id";
const SALES: &str = "SELECT quote(id), quote(product), quote(amount) FROM sales ORDER BY id";

/// A shop whose till was lost: the store is there, the database is new.
struct Shop {
    hub: MemoryHub,
    network: Network,
    wire: tokio::task::JoinHandle<()>,
    directory: TempDir,
}

struct Till {
    repository: SqliteRepository,
    sync: SyncHandle,
    store: MemoryStore,
}

impl Shop {
    fn new() -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let running = network.clone();
        Self {
            hub,
            network,
            wire: tokio::spawn(async move { running.run().await }),
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    async fn till(&self, name: &'static str, store: &'static str) -> Till {
        let path = self.directory.path().join(format!("{name}.db"));
        prepare(&path, &[SCHEMA]).await;
        let repository = SqliteRepository::open(&path).await.expect("the database opens");
        let store = self.hub.store(store);
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let sync = SyncRegistry::new()
            .with::<Sale>()
            .with::<Product>()
            .with::<Supplier>()
            .config(config)
            .start(repository.clone(), store.clone())
            .await
            .expect("the coordinator starts");
        Till {
            repository,
            sync,
            store,
        }
    }

    /// One that has sent this, and is gone.
    async fn lost(&self, sql: &str) {
        let till = self.till("old", "old").await;
        till.run(sql).await;
        till.sync.settled(PATIENCE).await.expect("it settles");
        till.close().await;
    }

    async fn close(self) {
        self.network.shutdown();
        self.wire.await.expect("the wire ends");
    }
}

impl Till {
    async fn run(&self, sql: &str) {
        run(self.repository.pool(), sql).await;
    }

    async fn rows(&self, select: &str) -> Vec<String> {
        rows(self.repository.pool(), select).await
    }

    async fn sent(&self) -> u64 {
        self.sync.settled(PATIENCE).await.expect("it settles");
        let status = self.sync.status().borrow().clone();
        status
            .collections
            .values()
            .map(|collection| collection.sent)
            .sum()
    }

    async fn close(self) {
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
    }
}

fn at_once() -> BackupOptions {
    BackupOptions::new().patience(Duration::ZERO)
}

fn outcomes(report: &BackupReport) -> Vec<(String, BackupOutcome)> {
    let of = |row: &ditto_sync::BackupRow| (format!("{}/{}", row.collection, row.id), row.outcome.clone());
    let mut outcomes: Vec<_> = report.rows.iter().map(of).collect();
    outcomes.sort_by(|one, other| one.0.cmp(&other.0));
    outcomes
}

const STOCK: &str = "INSERT INTO products VALUES ('tea', 'Tea', NULL, 'acme');
    INSERT INTO products VALUES ('green', 'Green tea', 'tea', NULL);
    INSERT INTO suppliers VALUES ('acme', 'green')";

/// The old framework counted only, restored in no order, and took an error for "nothing to restore".
#[tokio::test]
async fn f40_a_restore_goes_parents_first_and_reports_each_row() {
    let shop = Shop::new();
    shop.lost(&format!(
        "{STOCK}; INSERT INTO sales VALUES (1, 'green', 10), (2, 'tea', 20), (3, 'tea', 30);
         PRAGMA ignore_check_constraints = ON; INSERT INTO sales VALUES (4, 'tea', 5000)"
    ))
    .await;
    let till = shop.till("new", "old").await;
    // A row that cannot be sent, so that the document stays what it was.
    till.run("INSERT INTO products VALUES ('tea', x'ff', NULL, NULL)")
        .await;
    till.run("INSERT INTO sales VALUES (3, 'tea', 30)").await;
    let dry = till
        .sync
        .pull_backup_for_all()
        .with(BackupOptions::dry_run().patience(Duration::ZERO));
    let dry = dry.await.expect("it is tried");
    assert_eq!(
        till.rows(SALES).await,
        ["3,'tea',30"],
        "a dry run changes nothing"
    );
    let report = till.sync.pull_backup_for_all().with(at_once()).await;
    let report = report.expect("the backup is pulled");
    let expected = [
        ("products/green", BackupOutcome::Restored),
        ("products/tea", BackupOutcome::Differs),
        ("sales/1", BackupOutcome::Restored),
        ("sales/2", BackupOutcome::Restored),
        ("sales/3", BackupOutcome::Present),
    ];
    let expected: Vec<_> = expected.map(|(row, outcome)| (row.to_owned(), outcome)).into();
    let mut found = outcomes(&report);
    let (refused, reason) = found
        .pop()
        .filter(|(row, _)| row == "suppliers/acme")
        .map_or_else(
            || panic!("the supplier comes with its product: {report}"),
            |(row, outcome)| (row, outcome),
        );
    assert_eq!(
        (refused.as_str(), reason),
        ("suppliers/acme", BackupOutcome::Restored)
    );
    let broken = found.pop().expect("the broken sale is told");
    assert!(
        matches!(&broken, (row, BackupOutcome::Failed(reason)) if row == "sales/4" && reason.contains("CHECK")),
        "{broken:?}"
    );
    assert_eq!(found, expected);
    assert_eq!(outcomes(&dry).len(), outcomes(&report).len());
    assert_eq!(
        till.rows(PRODUCTS).await,
        ["'green','Green tea','tea'", "'tea',X'FF',NULL"]
    );
    assert_eq!(
        till.rows(SALES).await,
        ["1,'green',10", "2,'tea',20", "3,'tea',30"]
    );
    till.close().await;
    shop.close().await;
}

/// `hooks` are called once for each row, after its commit; one that panics harms nobody.
#[tokio::test]
async fn the_hook_is_told_of_every_restored_row_and_may_panic() {
    let shop = Shop::new();
    shop.lost(&format!(
        "{STOCK}; INSERT INTO sales VALUES (100001, 'tea', 1), ({UNLUCKY}, 'tea', 1), (100002, 'tea', 1)"
    ))
    .await;
    let till = shop.till("new", "old").await;
    let report = till.sync.pull_backup_for::<Sale>().with(at_once()).await;
    let report = report.expect("the backup is pulled");
    let told = RESTORED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(
        // Rows of no other test, for the hook is that of all.
        [100_001, 100_002]
            .iter()
            .all(|id| told.iter().filter(|told| *told == id).count() == 1),
        "{told:?}"
    );
    let failed: Vec<_> = report
        .rows
        .iter()
        .filter_map(|row| row.hook_failed.as_deref())
        .collect();
    assert!(
        matches!(failed[..], [reason] if reason.contains("unlucky")),
        "{failed:?}"
    );
    assert_eq!(
        till.rows(SALES).await.len(),
        3,
        "the row is restored all the same"
    );
    till.close().await;
    shop.close().await;
}

/// What is restored is agreed on: nothing of it goes out, and later changes are patches.
#[tokio::test]
async fn what_is_restored_is_not_sent_back() {
    let shop = Shop::new();
    shop.lost(&format!("{STOCK}; INSERT INTO sales VALUES (1, 'tea', 1)"))
        .await;
    let till = shop.till("new", "old").await;
    till.sync
        .pull_backup_for_all()
        .with(at_once())
        .await
        .expect("the backup is pulled");
    assert_eq!(till.sent().await, 0);
    // Together, or the coordinator may send the first change before the second one is there.
    till.run("BEGIN IMMEDIATE; UPDATE sales SET amount = 2; DELETE FROM sales WHERE id = 1; COMMIT")
        .await;
    assert_eq!(till.sent().await, 1);
    let again = till
        .sync
        .pull_backup_for_all()
        .with(at_once())
        .await
        .expect("and again");
    assert_eq!(again.restored(), 0, "a row deleted here does not return: {again}");
    assert_eq!(till.rows(SALES).await, Vec::<String>::new());
    till.close().await;
    shop.close().await;
}

/// A link that does not cascade brings its row and no more; circles of links end.
#[tokio::test]
async fn links_are_followed_as_far_as_they_cascade() {
    let shop = Shop::new();
    shop.lost(&format!("{STOCK}; INSERT INTO sales VALUES (1, 'tea', 1)"))
        .await;
    let till = shop.till("sales", "old").await;
    till.sync
        .pull_backup_for::<Sale>()
        .with(at_once())
        .await
        .expect("the backup is pulled");
    assert_eq!(till.rows(PRODUCTS).await, ["'tea','Tea',NULL"]);
    assert_eq!(till.rows(SUPPLIERS).await, Vec::<String>::new());
    let report = till.sync.pull_backup_for::<Supplier>().with(at_once()).await;
    let report = report.expect("the backup is pulled");
    assert_eq!(
        till.rows(PRODUCTS).await,
        ["'green','Green tea','tea'", "'tea','Tea',NULL"]
    );
    assert_eq!(till.rows(SUPPLIERS).await, ["'acme','green'"]);
    assert_eq!(report.rows.len(), 3, "each is met once: {report}");
    till.close().await;
    shop.close().await;
}

/// A new device, whose own store holds nothing: what it restores comes from a peer, for the time of the pull.
#[tokio::test]
async fn documents_of_a_model_that_only_sends_come_from_a_peer() {
    let shop = Shop::new();
    let old = shop.till("old", "old").await;
    old.run(&format!("{STOCK}; INSERT INTO sales VALUES (1, 'tea', 1)"))
        .await;
    old.sync.settled(PATIENCE).await.expect("it settles");
    let till = shop.till("new", "new").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // How long a peer needs nobody knows: an app asks again.
    while till.rows(SALES).await.is_empty() {
        let patient = BackupOptions::new().patience(Duration::from_millis(50));
        till.sync
            .pull_backup_for_all()
            .with(patient)
            .await
            .expect("the backup is pulled");
        assert!(tokio::time::Instant::now() < deadline, "nothing came");
    }
    assert_eq!(till.rows(SALES).await, ["1,'tea',1"]);
    till.close().await;
    old.close().await;
    shop.close().await;
}

/// A store that fails for a while delays a pull; progress is told.
#[tokio::test]
async fn a_pull_survives_a_store_that_is_away_and_tells_its_progress() {
    let shop = Shop::new();
    let many: Vec<_> = (1..=700).map(|id| format!("({id}, 'tea', 1)")).collect();
    shop.lost(&format!("{STOCK}; INSERT INTO sales VALUES {}", many.join(", ")))
        .await;
    let till = shop.till("new", "old").await;
    let mut events = till.sync.events();
    let mut calls = 0;
    till.store.set_fault_hook(move |call| {
        calls += usize::from(matches!(call, StoreCall::Fetch(_)));
        (matches!(call, StoreCall::Fetch(_)) && (2..5).contains(&calls)).then_some(Fault::Unavailable)
    });
    let report = till.sync.pull_backup_for_all().with(at_once()).await;
    assert_eq!(report.expect("the backup is pulled").restored(), 703);
    till.store.clear_faults();
    let mut told = Vec::new();
    while told.last() != Some(&(700, 700)) {
        let event = tokio::time::timeout(PATIENCE, events.next())
            .await
            .expect("progress is told");
        if let Some(SyncEvent::Restoring {
            collection: "sales",
            done,
            total,
        }) = event
        {
            told.push((done, total));
        }
    }
    assert!(told.len() > 1 && told.is_sorted(), "{told:?}");
    till.close().await;
    shop.close().await;
}

/// A pull that is dropped ends, and the next one begins.
#[tokio::test]
async fn a_dropped_pull_leaves_room_for_the_next() {
    let shop = Shop::new();
    shop.lost(&format!("{STOCK}; INSERT INTO sales VALUES (1, 'tea', 1)"))
        .await;
    let till = shop.till("new", "old").await;
    let hour = BackupOptions::new().patience(Duration::from_secs(3600));
    let asked = till
        .sync
        .pull_backup_for_all()
        .with(hour)
        .into_future()
        .now_or_never();
    assert!(asked.is_none(), "it waits for peers");
    let report = till.sync.pull_backup_for_all().with(at_once()).await;
    assert_eq!(report.expect("the backup is pulled").restored(), 4);
    till.close().await;
    shop.close().await;
}
