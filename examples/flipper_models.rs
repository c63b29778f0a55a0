//! Coming from Flipper: a till on this framework beside one that runs the Dart app, on the same collections.
//!
//! The other till writes its documents; this one finds them in its SQLite tables, sells with plain SQL, and what it writes is what the app would have
//! written. The models are in `flipper_models/models.rs`; docs/from-flipper.md says what is called how here.
//!
//! ```console
//! cargo run --example flipper_models
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

#[path = "flipper_models/documents.rs"]
mod documents;
#[path = "flipper_models/flipper_till.rs"]
mod flipper_till;
#[path = "flipper_models/models.rs"]
mod models;

use std::{
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

use ditto_sync::prelude::*;
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub};
use sqlx::{AssertSqlSafe, Row, SqlitePool};

use self::{
    documents::{BRANCH, BUSINESS, document_of},
    flipper_till::{FlipperTill, dart_reads},
    models::{Customer, ITransaction, Stock, TransactionItem},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    match story().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flipper_models: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn story() -> Outcome<()> {
    // Removed with everything in it when this function ends, however it ends.
    let directory = tempfile::tempdir()?;
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let running = network.clone();
    let wire = tokio::spawn(async move { running.run().await });

    let mut flipper = FlipperTill::new(hub.store("flipper"));
    let repository = SqliteRepository::open(directory.path().join("till.db")).await?;
    repository.create_missing_tables_of(&documents::models()).await?;
    let sync = SyncRegistry::discover()?
        .context("branchId", BRANCH)
        .context("businessId", BUSINESS)
        // A real app leaves the delay as it is, so that its own start comes first.
        .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
        .start(repository.clone(), hub.store("till"))
        .await?;

    read_what_flipper_wrote(&mut flipper, repository.pool()).await?;
    write_what_flipper_reads(&flipper, repository.pool()).await?;
    network.partition("flipper", "till");
    sell_on_both(&mut flipper, repository.pool()).await?;
    sync.settled(PATIENCE).await?;
    network.heal("flipper", "till");
    both_sales_count(&flipper, repository.pool()).await?;
    set_a_bad_one_aside(&mut flipper, &sync, repository.pool()).await?;

    sync.shutdown().await?;
    network.shutdown();
    wire.await?;
    println!("in step with a till that runs Flipper");
    Ok(())
}

async fn read_what_flipper_wrote(flipper: &mut FlipperTill, pool: &SqlitePool) -> Outcome<()> {
    for model in documents::models() {
        flipper.upsert(model, &document_of(model)).await?;
    }
    let mut fields = 0;
    for model in documents::models() {
        answers(pool, &format!("SELECT count(*) FROM {}", model.table()), "1").await?;
        fields += model.fields().len();
    }
    println!("Flipper wrote a document of each of 8 models; here they are rows, {fields} columns in all:");

    let stock = "SELECT quote(current_stock) || ' ' || quote(current_stock_milli) || ' ' || quote(active) FROM stocks";
    answers(pool, stock, "24.0 24000 NULL").await?;
    println!("  a float that came as an integer is REAL, a missing bool is NULL;");
    let dates = "SELECT last_touched || ' ' || created_at FROM counters";
    answers(pool, dates, "2025-10-09T11:22:33.123456 2024-01-01T00:00:00.000Z").await?;
    println!("  a date without zone stays without one, and nobody guesses;");
    answers(pool, "SELECT tel_no FROM customers", "0788123456").await?;
    answers(pool, "SELECT quote(focused) FROM categories", "0").await?;
    println!("  a field that the document lacks has the declared default.");
    Ok(())
}

/// A sale as the app makes it: lines, stock, receipt number, in one SQL transaction.
async fn write_what_flipper_reads(flipper: &FlipperTill, pool: &SqlitePool) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    for statement in [
        "UPDATE counters SET cur_rcpt_no = cur_rcpt_no + 1, tot_rcpt_no = tot_rcpt_no + 1, last_touched = '2026-07-30T10:00:00.000Z'",
        "INSERT INTO transactions (id, branch_id, status, sub_total, cash_received, created_at, is_income, receipt_number)
         SELECT 'trx-2', branch_id, 'completed', 1500, 2000, '2026-07-30T10:00:00.000Z', 1, cur_rcpt_no FROM counters",
        "INSERT INTO transaction_items (id, name, transaction_id, variant_id, qty, price, discount, prc, branch_id, ignore_for_report)
         SELECT 'itm-2', name, 'trx-2', id, 2.5, 600, 0, 600, branch_id, 0 FROM variants",
        "UPDATE stocks SET current_stock_milli = current_stock_milli - 2500, current_stock = (current_stock_milli - 2500) / 1000.0",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;

    let sale = reads(flipper, ITransaction::descriptor(), "trx-2", |sale| {
        sale["status"] == "completed"
    })
    .await?;
    expect(
        sale["receiptNumber"] == 813,
        "the sale has the next receipt number",
    )?;
    expect(
        sale["subTotal"].is_f64(),
        "a `double` is a float, even when it is whole",
    )?;
    let item = reads(flipper, TransactionItem::descriptor(), "itm-2", |_| true).await?;
    expect(
        item["qty"] == 2.5 && item["transactionId"] == "trx-2",
        "the line is complete",
    )?;
    dart_reads(TransactionItem::descriptor(), &item)?;
    let stock = reads(flipper, Stock::descriptor(), "stk-1", |stock| {
        stock["currentStockMilli"] == 21_500
    })
    .await?;
    expect(
        stock["shelfLabel"] == "A-3" && stock["lowStock"] == 5,
        "fields that did not change are left as Flipper wrote them",
    )?;
    println!(
        "This till sold 2.5 with plain SQL: Flipper reads the sale, its line, the receipt number and the stock."
    );
    Ok(())
}

async fn sell_on_both(flipper: &mut FlipperTill, pool: &SqlitePool) -> Outcome<()> {
    println!("The cable is pulled; both sell.");
    flipper
        .increment(Stock::descriptor(), "stk-1", "currentStockMilli", -3_000)
        .await?;
    sqlx::query("UPDATE stocks SET current_stock_milli = current_stock_milli - 1000")
        .execute(pool)
        .await?;
    Ok(())
}

async fn both_sales_count(flipper: &FlipperTill, pool: &SqlitePool) -> Outcome<()> {
    answers(pool, "SELECT current_stock_milli FROM stocks", "17500").await?;
    reads(flipper, Stock::descriptor(), "stk-1", |stock| {
        stock["currentStockMilli"] == 17_500
    })
    .await?;
    println!("The cable is back: 21.5 - 3 - 1 = 17.5 on both.");
    Ok(())
}

async fn set_a_bad_one_aside(flipper: &mut FlipperTill, sync: &SyncHandle, pool: &SqlitePool) -> Outcome<()> {
    let mut bad = document_of(Customer::descriptor());
    (bad["_id"], bad["id"]) = ("cus-2".into(), "cus-2".into());
    bad["updatedAt"] = "yesterday".into();
    flipper.upsert(Customer::descriptor(), &bad).await?;
    let mut good = document_of(Customer::descriptor());
    (good["_id"], good["id"]) = ("cus-3".into(), "cus-3".into());
    flipper.upsert(Customer::descriptor(), &good).await?;
    answers(pool, "SELECT group_concat(id) FROM customers", "cus-1,cus-3").await?;
    let started = Instant::now();
    let reason = loop {
        if let Some(record) = sync.quarantine().await?.first() {
            break record.reason.clone();
        }
        expect(started.elapsed() < PATIENCE, "the bad document is in quarantine")?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    expect(reason.contains("updatedAt"), "the reason names the field")?;
    println!("A document that cannot be read holds nobody up; the quarantine says: {reason}");
    Ok(())
}

/// Waits until `select` answers `expected`.
async fn answers(pool: &SqlitePool, select: &str, expected: &str) -> Outcome<()> {
    let started = Instant::now();
    loop {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT CAST(({select}) AS TEXT)")))
            .fetch_one(pool)
            .await?;
        let found: Option<String> = row.get(0);
        if found.as_deref() == Some(expected) {
            return Ok(());
        }
        expect(
            started.elapsed() < PATIENCE,
            &format!("`{select}` answers {expected}, and not {found:?}"),
        )?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until Flipper has a document that is as wanted.
async fn reads(
    flipper: &FlipperTill,
    model: &'static ditto_sync::ModelDescriptor,
    id: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> Outcome<serde_json::Value> {
    let started = Instant::now();
    loop {
        let found = flipper.read(model, id).await?;
        if let Some(found) = found.filter(&wanted) {
            return Ok(found);
        }
        expect(
            started.elapsed() < PATIENCE,
            &format!("Flipper has {id} of {} as wanted", model.collection()),
        )?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn expect(holds: bool, what: &str) -> Outcome<()> {
    if holds {
        Ok(())
    } else {
        Err(format!("expected that {what}").into())
    }
}
