//! What capture costs the app: one autocommitted UPDATE through sqlx, prepared UPDATEs in a transaction, one UPDATE over all rows. All of it on connections as the framework opens them for
//! the app, on both sides; the transaction also on ones with as little page cache as SQLite gives them by itself.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::{DittoAdapter as _, Repository as _, SqliteRepository};
use rusqlite::Connection;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqlitePoolOptions};

use crate::{
    baseline,
    counters::{self, Counter, id_of},
    report::{Report, Series},
};

const ROWS: usize = 10_000;
/// So many that SQLite brings its log into the database several times on either side, which it does after every 1000 pages: a side that just misses one more time would look faster.
const AUTOCOMMITS: usize = 5000;
/// The two sides take turns after so many autocommits.
const TURN: usize = 50;
/// SQLite's own page cache, as `PRAGMA cache_size` has it (<https://sqlite.org/pragma.html#pragma_cache_size>).
const SQLITE_CACHE: i64 = -2000;
const SIDES: [&str; 2] = ["without capture", "with capture"];

pub(crate) async fn measure(report: &mut Report, rounds: usize) {
    let [mut bulk, mut prepared, mut cramped, mut plain, mut autocommit] =
        [(); 5].map(|()| Series::new(&SIDES));
    for _ in 0..rounds {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = SIDES.map(|side| directory.path().join(format!("{side}.db")));
        for (side, path) in paths.iter().enumerate() {
            let mut connection = baseline::create(path);
            baseline::upsert(&mut connection, &Counter::all(ROWS, 0));
            if side == 1 {
                install(path).await;
            }
            give_room(&connection, cache_of_the_framework(path).await);
            baseline::checkpoint(&connection);
            baseline::warm(&connection);
            bulk.add(side, bulk_update(&connection));
            baseline::checkpoint(&connection);
            prepared.add(side, prepared_updates(&mut connection));
            baseline::checkpoint(&connection);
            plain.add(side, autocommits(&connection));
            give_room(&connection, SQLITE_CACHE);
            baseline::checkpoint(&connection);
            baseline::warm(&connection);
            cramped.add(side, prepared_updates(&mut connection));
            baseline::checkpoint(&connection);
            let entries = if side == 1 {
                counters::count(&connection, "ditto_sync_outbox_1")
            } else {
                0
            };
            assert_eq!(
                entries,
                side * (3 * ROWS + AUTOCOMMITS),
                "every change is captured once"
            );
        }
        autocommits_through_sqlx(&paths, &mut autocommit).await;
    }
    report.series("one UPDATE statement over 10000 rows", ROWS, &bulk);
    report.series("10000 prepared UPDATEs in one transaction", ROWS, &prepared);
    report.series("the same with SQLite's own 2 MB of page cache", ROWS, &cramped);
    report.series("autocommitted UPDATEs, rusqlite", AUTOCOMMITS, &plain);
    report.series("autocommitted UPDATEs, sqlx", AUTOCOMMITS, &autocommit);
    report.bounded("capture_autocommit", autocommit.ratio(1, 0), 1.25);
    report.figure("capture_autocommit_native", plain.ratio(1, 0));
    report.bounded("capture_loop", prepared.ratio(1, 0), 2.2);
    report.figure("capture_loop_with_2_mb_of_cache", cramped.ratio(1, 0));
    report.bounded("capture_bulk", bulk.ratio(1, 0), 3.5);
}

/// Has the framework install its triggers, and go.
async fn install(path: &Path) {
    let repository = SqliteRepository::open(path).await.expect("opens");
    repository
        .prepare(&[Counter::descriptor()])
        .await
        .expect("prepares");
    repository.close().await;
    repository.pool().close().await;
}

/// The page cache of a connection that the framework opens for the app.
async fn cache_of_the_framework(path: &Path) -> i64 {
    let mut connection = SqliteRepository::connect_options(path)
        .connect()
        .await
        .expect("connects");
    let cache = sqlx::query_scalar("PRAGMA cache_size").fetch_one(&mut connection);
    let cache = cache.await.expect("a size");
    connection.close().await.expect("closes");
    cache
}

fn give_room(connection: &Connection, cache: i64) {
    connection
        .pragma_update(None, "cache_size", cache)
        .expect("another size");
}

fn bulk_update(connection: &Connection) -> Duration {
    let started = Instant::now();
    let changed = connection.execute(
        "UPDATE counters SET current_receipt = current_receipt + 1, rate = rate * 1.1",
        [],
    );
    let time = started.elapsed();
    assert_eq!(changed, Ok(ROWS));
    time
}

fn prepared_updates(connection: &mut Connection) -> Duration {
    let ids: Vec<_> = (0..ROWS).map(id_of).collect();
    let started = Instant::now();
    let transaction = connection.transaction().expect("begins");
    let mut update = transaction
        .prepare("UPDATE counters SET current_receipt = current_receipt + 1, last_touched = '2024-06-01T10:20:30.000Z' WHERE id = ?1")
        .expect("prepares");
    for id in &ids {
        assert_eq!(update.execute([id]), Ok(1));
    }
    drop(update);
    transaction.commit().expect("commits");
    started.elapsed()
}

const AUTOCOMMIT: &str = "UPDATE counters SET current_receipt = current_receipt + 1, last_touched = '2024-06-02T10:20:30.000Z' WHERE id = ?1";

fn autocommits(connection: &Connection) -> Duration {
    let ids: Vec<_> = (0..AUTOCOMMITS).map(id_of).collect();
    let mut update = connection.prepare(AUTOCOMMIT).expect("prepares");
    let started = Instant::now();
    for id in &ids {
        assert_eq!(update.execute([id]), Ok(1));
    }
    started.elapsed()
}

/// As an app does it: a pool like the framework's on both sides.
async fn autocommits_through_sqlx(paths: &[std::path::PathBuf; 2], series: &mut Series) {
    let [without, with] = paths;
    // See the pool of the framework: sqlx's maintenance may keep a core busy.
    let plain = SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(SqliteRepository::connect_options(without))
        .await
        .expect("connects");
    let captured = SqliteRepository::pool_options()
        .connect_with(SqliteRepository::connect_options(with))
        .await
        .expect("connects");
    let ids: Vec<_> = (0..AUTOCOMMITS).map(id_of).collect();
    let pools = [&plain, &captured];
    let mut times = [Duration::ZERO; 2];
    for ids in ids.chunks(TURN) {
        for (pool, time) in pools.iter().zip(&mut times) {
            let started = Instant::now();
            for id in ids {
                let done = sqlx::query(AUTOCOMMIT).bind(id).execute(*pool).await;
                assert_eq!(done.expect("an update").rows_affected(), 1);
            }
            *time += started.elapsed();
        }
    }
    for (side, time) in times.into_iter().enumerate() {
        series.add(side, time);
        pools[side].close().await;
    }
}
