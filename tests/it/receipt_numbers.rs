//! Numbers that people read, such as those on receipts: blocks of them, leased to devices, as docs/receipt-numbers.md tells it.

use ditto_sync::{DittoAdapter, SyncRegistry};
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::devices::{PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "number_blocks", rename_all = "camelCase")]
struct NumberBlock {
    #[ditto(id)]
    id: String,
    series: String,
    device: String,
    first: i64,
    size: i64,
    used: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "receipts")]
struct Receipt {
    #[ditto(id)]
    number: i64,
    device: String,
}

const SCHEMA: &str =
    "CREATE TABLE number_blocks (id TEXT PRIMARY KEY NOT NULL, series TEXT NOT NULL, device TEXT NOT NULL,
        first INTEGER NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL CHECK (used BETWEEN 0 AND size));
    CREATE TABLE receipts (number INTEGER PRIMARY KEY NOT NULL, device TEXT NOT NULL)";
/// Run by one device only, the keeper.
const LEASE: &str = "INSERT INTO number_blocks (id, series, device, first, size, used)
    SELECT ?1 || '/' || next, ?1, ?2, next, ?3, 0
    FROM (SELECT coalesce(max(first + size), 1) AS next FROM number_blocks WHERE series = ?1)";
/// Run by the device that holds the block, in the transaction that uses the number.
const DRAW: &str = "UPDATE number_blocks SET used = used + 1
    WHERE id = (SELECT id FROM number_blocks WHERE series = ?1 AND device = ?2 AND used < size ORDER BY first LIMIT 1)
    RETURNING first + used - 1";
const RECEIPTS: &str = "SELECT quote(number), quote(device) FROM receipts ORDER BY number";
const BLOCKS: &str = "SELECT quote(id), quote(used) FROM number_blocks ORDER BY first";

async fn pair() -> Pair {
    Pair::new(SCHEMA, || {
        SyncRegistry::new().with::<NumberBlock>().with::<Receipt>()
    })
    .await
}

async fn lease(keeper: &SqlitePool, device: &str, size: i64) {
    sqlx::query(LEASE)
        .bind("NS")
        .bind(device)
        .bind(size)
        .execute(keeper)
        .await
        .expect("the keeper leases a block");
}

/// Gives out a number; `None` when no block has one left.
async fn give_out(pool: &SqlitePool, device: &str) -> Option<i64> {
    let mut sale = pool.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
    let drawn: Option<(i64,)> = sqlx::query_as(DRAW)
        .bind("NS")
        .bind(device)
        .fetch_optional(&mut *sale)
        .await
        .expect("the device draws");
    let (number,) = drawn?;
    // The key refuses a number that this device has seen before.
    sqlx::query("INSERT INTO receipts (number, device) VALUES (?, ?)")
        .bind(number)
        .bind(device)
        .execute(&mut *sale)
        .await
        .expect("the number is new");
    sale.commit().await.expect("the sale commits");
    Some(number)
}

#[tokio::test]
async fn f25_two_devices_that_are_offline_never_give_out_the_same_number() {
    let pair = pair().await;
    let (left, right) = (pair.left.pool(), pair.right.pool());
    for device in ["left", "right", "right"] {
        lease(left, device, 5).await;
    }
    pair.in_step(BLOCKS).await;
    pair.part();
    let mut given = Vec::new();
    for _ in 0..5 {
        given.push(give_out(left, "left").await.expect("one is left"));
        given.push(give_out(right, "right").await.expect("one is left"));
        given.push(give_out(right, "right").await.expect("one is left"));
    }
    // A block that is used up gives nothing rather than a number that may be another's.
    assert_eq!(give_out(left, "left").await, None);
    assert_eq!(give_out(right, "right").await, None);
    pair.rejoin();

    given.sort_unstable();
    assert_eq!(
        given,
        (1..=15).collect::<Vec<_>>(),
        "each number once, none left out"
    );
    let receipts = pair.in_step(RECEIPTS).await;
    assert_eq!(receipts.len(), given.len(), "no receipt was written over another");
    let blocks = pair.in_step(BLOCKS).await;
    assert_eq!(blocks, ["'NS/1',5", "'NS/6',5", "'NS/11',5"]);
    // The keeper sees who needs more.
    lease(left, "right", 5).await;
    pair.in_step(BLOCKS).await;
    assert_eq!(give_out(right, "right").await, Some(16));
    pair.close().await;
}

#[tokio::test]
async fn f25_a_number_of_a_sale_that_was_rolled_back_is_given_out_again() {
    let pair = pair().await;
    let left = pair.left.pool();
    lease(left, "left", 5).await;
    let mut sale = left.begin().await.expect("a transaction");
    sqlx::query(DRAW)
        .bind("NS")
        .bind("left")
        .fetch_one(&mut *sale)
        .await
        .expect("the device draws");
    sale.rollback().await.expect("it rolls back");
    assert_eq!(give_out(left, "left").await, Some(1));
    pair.close().await;
}

/// An old copy of the database file has an old `used`: once the store has been met, it is the newest again.
#[tokio::test]
async fn f25_an_old_database_file_goes_on_after_the_numbers_that_were_given_out() {
    let pair = pair().await;
    lease(pair.left.pool(), "left", 9).await;
    assert_eq!(give_out(pair.left.pool(), "left").await, Some(1));
    pair.in_step(BLOCKS).await;
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    let copy = directory.path().join("copy.db");
    let vacuum = format!("VACUUM INTO '{}'", copy.display());
    sqlx::query(AssertSqlSafe(vacuum))
        .execute(left.pool())
        .await
        .expect("a copy");
    for number in [2, 3] {
        assert_eq!(give_out(left.pool(), "left").await, Some(number));
    }
    left.sync.settled(PATIENCE).await.expect("it settles");
    left.close().await;

    for stale in ["left.db-wal", "left.db-shm"] {
        // They belong to the file that is replaced; a clean close removes them already.
        let _ = std::fs::remove_file(directory.path().join(stale));
    }
    std::fs::copy(&copy, directory.path().join("left.db")).expect("the old file is back");
    let registry = SyncRegistry::new().with::<NumberBlock>().with::<Receipt>();
    let left = crate::devices::Device::start("left", &directory, &hub, registry).await;
    left.holds(BLOCKS, &["'NS/1',3"]).await;
    assert_eq!(give_out(left.pool(), "left").await, Some(4));
    left.close().await;
    right.close().await;
}
