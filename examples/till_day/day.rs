//! A scripted day of a till of ours beside one that runs the Dart app: [`live`] plays it and keeps a ledger of what each step must lead to.
//!
//! Every step waits until its consequences have arrived, so nothing is merged into something else by chance, and the ledger is exact.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::{DittoAdapter as _, ModelDescriptor, prelude::*};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub};
use serde_json::{Value as Json, json};
use sqlx::AssertSqlSafe;

use super::{
    documents::{BRANCH, BUSINESS, document_of, models},
    flipper_till::FlipperTill,
    models::{ITransaction, Stock, TransactionItem, Variant},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much happens on the day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// Articles, each with its stock.
    pub(crate) articles: usize,
    /// Prices that the office changed over night.
    pub(crate) new_prices: usize,
    /// Sales at our till.
    pub(crate) own_sales: usize,
    /// Sales at the other one.
    pub(crate) other_sales: usize,
    /// How often observers are registered anew: a new login, a network that was away.
    pub(crate) restarts: usize,
}

/// Documents that were delivered to the coordinator, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// All of them.
    pub(crate) received: u64,
    /// Not applied: they were what the row was already.
    pub(crate) redelivered: u64,
    /// Not applied: own writes that came back.
    pub(crate) echoes: u64,
    /// Applied.
    pub(crate) applied: u64,
}

impl Tally {
    pub(crate) fn skipped(self) -> u64 {
        self.redelivered + self.echoes
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            received: self.received - earlier.received,
            redelivered: self.redelivered - earlier.redelivered,
            echoes: self.echoes - earlier.echoes,
            applied: self.applied - earlier.applied,
        }
    }
}

/// A part of the day.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What had to happen, by the script.
    pub(crate) expected: Tally,
    /// What the status of the coordinator says.
    pub(crate) counted: Tally,
    /// Rows that the framework wrote, counted by SQLite itself.
    pub(crate) rows_written: u64,
}

/// Lives through a day.
///
/// # Errors
/// When a step never has its consequences, or too many of them.
pub(crate) async fn live(script: Script) -> Outcome<Vec<Part>> {
    let directory = tempfile::tempdir()?;
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let running = network.clone();
    let wire = tokio::spawn(async move { running.run().await });

    let mut flipper = FlipperTill::new(hub.store("flipper"));
    for number in 0..script.articles {
        flipper.upsert(Stock::descriptor(), &stock(number)).await?;
        flipper
            .upsert(Variant::descriptor(), &variant(number, 600.0))
            .await?;
    }
    let yesterday = Till::open(directory.path(), hub.store("till")).await?;
    let everything = 2 * script.articles as u64;
    yesterday
        .waits_for(Tally {
            received: everything,
            applied: everything,
            ..Tally::default()
        })
        .await?;
    count_rows_written(&yesterday.repository).await?;
    yesterday.sync.shutdown().await?;
    yesterday.repository.pool().close().await;

    for number in 0..script.new_prices {
        flipper
            .upsert(Variant::descriptor(), &variant(number, 650.0))
            .await?;
    }
    // The mesh is quiet before the till opens, so that it meets all new prices at its start.
    while hub.store("till").documents(Variant::descriptor())
        != hub.store("flipper").documents(Variant::descriptor())
    {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut day = Day {
        till: Till::open(directory.path(), hub.store("till")).await?,
        flipper,
        script,
        expected: Tally::default(),
        documents: everything,
        parts: Vec::new(),
    };
    day.open().await?;
    day.the_other_till_starts().await?;
    day.sell_here().await?;
    day.sell_there().await?;
    day.observe_anew().await?;
    day.till.sync.shutdown().await?;
    network.shutdown();
    wire.await?;
    Ok(day.parts)
}

/// The day so far.
struct Day {
    till: Till,
    flipper: FlipperTill,
    script: Script,
    expected: Tally,
    /// In the collections of the branch.
    documents: u64,
    parts: Vec<Part>,
}

impl Day {
    /// The till compares what it has with the store.
    async fn open(&mut self) -> Outcome<()> {
        let changed = self.script.new_prices as u64;
        self.expect(self.documents - changed, 0, changed).await?;
        self.ends("opening: compare everything, new prices came over night")
            .await
    }

    /// The Dart app seeds at each start: it writes every document again, changed or not.
    async fn the_other_till_starts(&mut self) -> Outcome<()> {
        for number in 0..self.script.articles {
            let price = if number < self.script.new_prices {
                650.0
            } else {
                600.0
            };
            self.flipper.upsert(Stock::descriptor(), &stock(number)).await?;
            self.flipper
                .upsert(Variant::descriptor(), &variant(number, price))
                .await?;
            self.expect(2, 0, 0).await?;
        }
        self.ends("the other till starts and seeds everything again")
            .await
    }

    /// A sale here: five documents in one SQL transaction, and a sixth change when it is paid.
    async fn sell_here(&mut self) -> Outcome<()> {
        for sale in 0..self.script.own_sales {
            let (one, other) = (sale % self.script.articles, (sale * 7 + 1) % self.script.articles);
            let mut sql = format!(
                "BEGIN IMMEDIATE;
                 INSERT INTO transactions (id, branch_id, status, created_at) VALUES ('own-{sale}', '{BRANCH}', 'pending', '2026-07-30T10:00:00.000Z');"
            );
            for (line, article) in [one, other].into_iter().enumerate() {
                sql += &format!(
                    "INSERT INTO transaction_items (id, name, transaction_id, variant_id, qty, price, discount, prc, branch_id, ignore_for_report)
                     SELECT 'own-{sale}-{line}', name, 'own-{sale}', id, 1, prc, 0, prc, branch_id, 0 FROM variants WHERE id = 'var-{article}';
                     UPDATE stocks SET current_stock_milli = current_stock_milli - 1000 WHERE id = 'stk-{article}';"
                );
            }
            self.till.run(&(sql + "COMMIT")).await?;
            self.documents += 3;
            self.expect(0, if one == other { 4 } else { 5 }, 0).await?;
            let paid = format!("UPDATE transactions SET status = 'completed' WHERE id = 'own-{sale}'");
            self.till.run(&paid).await?;
            self.expect(0, 1, 0).await?;
        }
        self.ends("sales at this till come back as echoes").await
    }

    /// A sale there; the app touches the sale twice more without changing it.
    async fn sell_there(&mut self) -> Outcome<()> {
        for sale in 0..self.script.other_sales {
            let (id, article) = (format!("other-{sale}"), sale % self.script.articles);
            let stock_id = format!("stk-{article}");
            self.flipper
                .upsert(
                    ITransaction::descriptor(),
                    &named(ITransaction::descriptor(), &id),
                )
                .await?;
            self.flipper
                .upsert(
                    TransactionItem::descriptor(),
                    &named(TransactionItem::descriptor(), &id),
                )
                .await?;
            self.flipper
                .increment(Stock::descriptor(), &stock_id, "currentStockMilli", -1000)
                .await?;
            self.documents += 2;
            self.expect(0, 0, 3).await?;
            for _ in 0..2 {
                self.flipper
                    .upsert(
                        ITransaction::descriptor(),
                        &named(ITransaction::descriptor(), &id),
                    )
                    .await?;
                self.expect(1, 0, 0).await?;
            }
        }
        self.ends("sales at the other till, each written twice more")
            .await
    }

    /// All documents are delivered again.
    async fn observe_anew(&mut self) -> Outcome<()> {
        for _ in 0..self.script.restarts {
            self.till.sync.reconcile().await;
            self.expect(self.documents, 0, 0).await?;
        }
        self.ends("observers registered anew: everything is delivered again")
            .await
    }

    /// Adds to the ledger, and waits until it has come true.
    async fn expect(&mut self, redelivered: u64, echoes: u64, applied: u64) -> Outcome<()> {
        self.expected.received += redelivered + echoes + applied;
        self.expected.redelivered += redelivered;
        self.expected.echoes += echoes;
        self.expected.applied += applied;
        self.till.waits_for(self.expected).await
    }

    async fn ends(&mut self, name: &'static str) -> Outcome<()> {
        let counted = self.till.tally();
        let rows_written = self.till.rows_written().await?;
        let before = self
            .parts
            .iter()
            .fold((Tally::default(), Tally::default(), 0), |sum, part| {
                (
                    sum.0.plus(part.expected),
                    sum.1.plus(part.counted),
                    sum.2 + part.rows_written,
                )
            });
        self.parts.push(Part {
            name,
            expected: self.expected.since(before.0),
            counted: counted.since(before.1),
            rows_written: rows_written - before.2,
        });
        Ok(())
    }
}

impl Tally {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            redelivered: self.redelivered + other.redelivered,
            echoes: self.echoes + other.echoes,
            applied: self.applied + other.applied,
        }
    }
}

/// The till that is measured.
struct Till {
    repository: SqliteRepository,
    sync: SyncHandle,
}

impl Till {
    async fn open(directory: &Path, store: ditto_sync_testkit::MemoryStore) -> Outcome<Self> {
        let repository = SqliteRepository::open(directory.join("till.db")).await?;
        repository.create_missing_tables_of(&models()).await?;
        let sync = SyncRegistry::discover()?
            .context("branchId", BRANCH)
            .context("businessId", BUSINESS)
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), store)
            .await?;
        Ok(Self { repository, sync })
    }

    async fn run(&self, sql: &str) -> Outcome<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(self.repository.pool())
            .await?;
        Ok(())
    }

    fn tally(&self) -> Tally {
        let status = self.sync.status();
        let status = status.borrow();
        status
            .collections
            .values()
            .fold(Tally::default(), |sum, collection| {
                let (redelivered, echoes, applied) = (
                    collection.skipped_unchanged,
                    collection.suppressed,
                    collection.applied,
                );
                sum.plus(Tally {
                    received: redelivered + echoes + applied,
                    redelivered,
                    echoes,
                    applied,
                })
            })
    }

    /// Waits until as much was delivered as expected, and nothing is left to do; fails when it was something else.
    async fn waits_for(&self, expected: Tally) -> Outcome<()> {
        let started = Instant::now();
        let mut status = self.sync.status();
        while self.tally().received < expected.received {
            let left = PATIENCE.saturating_sub(started.elapsed());
            tokio::time::timeout(left, status.changed())
                .await
                .map_err(|_| format!("{:?} were delivered, and not {expected:?}", self.tally()))??;
        }
        self.sync.settled(PATIENCE).await?;
        if self.tally() == expected {
            Ok(())
        } else {
            Err(format!("{:?} were delivered, and not {expected:?}", self.tally()).into())
        }
    }

    async fn rows_written(&self) -> Outcome<u64> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM rows_written")
            .fetch_one(self.repository.pool())
            .await?;
        Ok(u64::try_from(count)?)
    }
}

/// SQLite itself counts what the framework writes into the tables of the app: its guard is up then, and only then.
async fn count_rows_written(repository: &SqliteRepository) -> Outcome<()> {
    let mut sql = "CREATE TABLE rows_written (at INTEGER PRIMARY KEY);".to_owned();
    for table in models().map(ModelDescriptor::table) {
        for change in ["INSERT", "UPDATE", "DELETE"] {
            sql += &format!(
                "CREATE TRIGGER count_{change}_{table} AFTER {change} ON {table} WHEN (SELECT active FROM ditto_sync_guard)
                 BEGIN INSERT INTO rows_written (at) VALUES (NULL); END;"
            );
        }
    }
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(repository.pool())
        .await?;
    Ok(())
}

fn stock(number: usize) -> Json {
    named(Stock::descriptor(), &format!("stk-{number}"))
}

fn variant(number: usize, price: f64) -> Json {
    let mut variant = named(Variant::descriptor(), &format!("var-{number}"));
    variant["stockId"] = json!(format!("stk-{number}"));
    variant["prc"] = json!(price);
    variant
}

fn named(model: &ModelDescriptor, id: &str) -> Json {
    let mut document = document_of(model);
    (document["_id"], document["id"]) = (json!(id), json!(id));
    document
}
