//! Two tills, each with its own SQLite file, kept in step: live, offline, and when both change the same row.
//!
//! ```console
//! cargo run --release --example quickstart
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

use std::{
    error::Error,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use ditto_sync::prelude::*;
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore};
use sqlx::{Row, SqlitePool};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An article on the shelf. Only till code and SQL know it; the framework needs no more than this.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase")]
struct Stock {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    price: f64,
    /// What both tills sell at once adds up.
    #[ditto(counter)]
    quantity: i64,
    last_touched: Option<DateTime<Utc>>,
}

/// A sale at one of the tills.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "sales", rename_all = "camelCase")]
struct Sale {
    #[ditto(id)]
    id: String,
    stock_id: String,
    till: String,
    pieces: i64,
    note: Option<String>,
}

const TABLES: [&str; 2] = ["stocks", "sales"];
const ARTICLES: usize = 500;
/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    match story().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: not in step: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn story() -> Outcome<()> {
    // Removed with everything in it when this function ends, however it ends.
    let directory = tempfile::tempdir()?;
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let running = network.clone();
    let wire = tokio::spawn(async move { running.run().await });

    let first = Till::open("till-1", directory.path(), hub.store("till-1")).await?;
    let second = Till::open("till-2", directory.path(), hub.store("till-2")).await?;
    println!("Two tills open, each with a SQLite file of its own.");

    stock_up(first.pool()).await?;
    in_step(&first, &second).await?;
    println!("Till 1 took {ARTICLES} articles into stock; till 2 has them too.");

    sell(&first, "s-1", 2).await?;
    sell(&second, "s-2", 1).await?;
    in_step(&first, &second).await?;
    println!("Each till made a sale; each sees the other's.");

    network.partition("till-1", "till-2");
    println!("The cable is pulled. Both go on selling:");
    sell(&first, "s-3", 2).await?;
    sell(&second, "s-3", 3).await?;
    reprice(&first, "s-3", 9.5).await?;
    rename(&second, "s-3", "Coffee, ground").await?;
    println!("  till 1 sells 2 of s-3 and changes its price; till 2 sells 3 of it and changes its name.");
    first.sync.settled(PATIENCE).await?;
    second.sync.settled(PATIENCE).await?;

    network.heal("till-1", "till-2");
    in_step(&first, &second).await?;
    let (product, price, quantity) = article(second.pool(), "s-3").await?;
    println!("The cable is back: s-3 is \"{product}\" at {price}, and {quantity} are left of 100.");
    expect(quantity == 95, "both sales of s-3 count")?;
    expect(
        product == "Coffee, ground" && (price - 9.5).abs() < f64::EPSILON,
        "both edits of s-3 survive",
    )?;

    let rows = compare(first.pool(), second.pool()).await?;
    first.close().await?;
    second.close().await?;
    network.shutdown();
    wire.await?;
    println!("in step: {rows} rows on 2 peers");
    Ok(())
}

/// A till: its database and its coordinator.
struct Till {
    name: &'static str,
    repository: SqliteRepository,
    sync: SyncHandle,
}

impl Till {
    async fn open(name: &'static str, directory: &Path, store: MemoryStore) -> Outcome<Self> {
        let repository = SqliteRepository::open(directory.join(format!("{name}.db"))).await?;
        repository.create_missing_tables::<Stock>().await?;
        repository.create_missing_tables::<Sale>().await?;
        // A real app leaves the delay as it is, so that its own start comes first.
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let sync = SyncRegistry::discover()?
            .config(config)
            .start(repository.clone(), store)
            .await?;
        Ok(Self {
            name,
            repository,
            sync,
        })
    }

    fn pool(&self) -> &SqlitePool {
        self.repository.pool()
    }

    async fn close(self) -> Outcome<()> {
        self.sync.shutdown().await?;
        self.repository.pool().close().await;
        Ok(())
    }
}

async fn stock_up(pool: &SqlitePool) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    for number in 1..=ARTICLES {
        sqlx::query(
            "INSERT INTO stocks (id, product, price, quantity, last_touched) VALUES (?, ?, ?, 100, ?)",
        )
        .bind(format!("s-{number}"))
        .bind(format!("Article {number}"))
        .bind(0.99 + f64::from(u16::try_from(number)?))
        .bind(Utc::now())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Plain SQL, in a transaction, as any till would.
async fn sell(till: &Till, stock: &str, pieces: i64) -> Outcome<()> {
    let mut transaction = till.pool().begin().await?;
    sqlx::query("INSERT INTO sales (id, stock_id, till, pieces) VALUES (?, ?, ?, ?)")
        .bind(uuid::Uuid::new_v4().to_string())
        .bind(stock)
        .bind(till.name)
        .bind(pieces)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("UPDATE stocks SET quantity = quantity - ?, last_touched = ? WHERE id = ?")
        .bind(pieces)
        .bind(Utc::now())
        .bind(stock)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn reprice(till: &Till, stock: &str, price: f64) -> Outcome<()> {
    sqlx::query("UPDATE stocks SET price = ? WHERE id = ?")
        .bind(price)
        .bind(stock)
        .execute(till.pool())
        .await?;
    Ok(())
}

async fn rename(till: &Till, stock: &str, product: &str) -> Outcome<()> {
    sqlx::query("UPDATE stocks SET product = ? WHERE id = ?")
        .bind(product)
        .bind(stock)
        .execute(till.pool())
        .await?;
    Ok(())
}

async fn article(pool: &SqlitePool, stock: &str) -> Outcome<(String, f64, i64)> {
    let select = "SELECT product, price, quantity FROM stocks WHERE id = ?";
    Ok(sqlx::query_as(select).bind(stock).fetch_one(pool).await?)
}

/// Waits until both tills have the same rows.
async fn in_step(first: &Till, second: &Till) -> Outcome<()> {
    let started = Instant::now();
    loop {
        let outcome = compare(first.pool(), second.pool()).await;
        if outcome.is_ok() || started.elapsed() > PATIENCE {
            return outcome.map(drop);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Compares every row of both tills; how many there are.
async fn compare(first: &SqlitePool, second: &SqlitePool) -> Outcome<usize> {
    let mut count = 0;
    for table in TABLES {
        let (ours, theirs) = (rows(first, table).await?, rows(second, table).await?);
        expect(ours == theirs, &format!("{table} is the same on both tills"))?;
        count += ours.len();
    }
    Ok(count)
}

/// Every row with its values as SQL literals, so that types are compared too.
async fn rows(pool: &SqlitePool, table: &'static str) -> Outcome<Vec<String>> {
    let select = match table {
        "stocks" => {
            "SELECT quote(id) || quote(product) || quote(price) || quote(quantity) || quote(last_touched) FROM stocks ORDER BY id"
        }
        _ => {
            "SELECT quote(id) || quote(stock_id) || quote(till) || quote(pieces) || quote(note) FROM sales ORDER BY id"
        }
    };
    Ok(sqlx::query(select)
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect())
}

fn expect(holds: bool, what: &str) -> Outcome<()> {
    if holds {
        Ok(())
    } else {
        Err(format!("expected that {what}").into())
    }
}
