//! The process of one device: an app that changes its tables at random, and the coordinator and the mesh store that carry the changes on, until it is killed.
//!
//! Every transaction also notes what it did in tables that the framework does not know, so after a kill they tell exactly what was committed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ditto_sync::{DittoAdapter, MeshStore, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use sqlx::{SqliteConnection, SqlitePool};

use crate::process::{PATIENCE, Process, say};

const TEST: &str = "device::device_process";
/// What the process is told, in its environment.
const NAME: &str = "DITTO_SYNC_TEST_DEVICE";
const DIRECTORY: &str = "DITTO_SYNC_TEST_DIRECTORY";
const TICKET: &str = "DITTO_SYNC_TEST_TICKET";
/// The seed of what its app does; without it, its app does nothing.
const SEED: &str = "DITTO_SYNC_TEST_SEED";

/// All devices count here.
pub(crate) const STOCKS: u64 = 4;
/// With so much at first.
pub(crate) const QUANTITY: i64 = 100;
/// Notes of each device: few, so that they are often changed, and that no mass of deletes has to be approved.
const NOTES: u64 = 6;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS stocks (id TEXT PRIMARY KEY NOT NULL, quantity INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL, stars INTEGER);
    CREATE TABLE IF NOT EXISTS increments (stock TEXT NOT NULL, quantity INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS oracle_notes (id TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL, stars INTEGER);";

/// All devices sell of it.
#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    quantity: i64,
}

/// Written by the device that owns it.
#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: String,
    owner: String,
    body: String,
    stars: Option<i64>,
}

pub(crate) fn database(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.db"))
}

/// Starts the device of this name. It joins with the ticket, if there is one, and works as the seed says.
pub(crate) fn start(directory: &Path, name: &str, ticket: Option<&str>, seed: Option<u64>) -> Process {
    let seed = seed.map(|seed| seed.to_string());
    let directory = directory.to_str().expect("a path of text");
    let mut environment = vec![(NAME, name), (DIRECTORY, directory)];
    environment.extend(ticket.map(|ticket| (TICKET, ticket)));
    environment.extend(seed.as_deref().map(|seed| (SEED, seed)));
    Process::start(name, TEST, &environment)
}

/// Not a test of its own: the process of a device. Started by the tests of `kill`, and a no-op otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn device_process() {
    let Ok(name) = std::env::var(NAME) else {
        return;
    };
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("a directory"));
    let store = MeshStore::builder("kill")
        .directory(directory.join(format!("{name}.mesh")))
        .listen("127.0.0.1:0".parse().expect("an address"))
        .open()
        .await
        .expect("whatever was killed, the next store opens");
    if let Ok(ticket) = std::env::var(TICKET) {
        let ticket = ticket.parse().expect("a ticket");
        store.join(&ticket).await.expect("it is of this mesh");
    }
    say(&format!("ticket {}", store.ticket().await.expect("it listens")));
    let repository = SqliteRepository::open(database(&directory, &name))
        .await
        .expect("the database opens");
    sqlx::raw_sql(SCHEMA)
        .execute(repository.pool())
        .await
        .expect("the schema");
    let sync = SyncRegistry::new()
        .with::<Stock>()
        .with::<Note>()
        .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
        .start(repository.clone(), store.clone())
        .await
        .expect("whatever was killed, the next coordinator starts");
    say("ready");
    let seed = std::env::var(SEED)
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    tokio::select! {
        () = work(repository.pool(), &name, seed) => {}
        () = input_closed() => {}
    }
    close(sync, &store).await;
}

async fn input_closed() {
    let (closed, waiting) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: a read of the standard input cannot be given up.
    std::thread::spawn(move || {
        std::io::stdin().lines().for_each(drop);
        let _ = closed.send(());
    });
    let _ = waiting.await;
}

/// Nothing is left behind.
async fn close(sync: SyncHandle, store: &MeshStore) {
    sync.settled(PATIENCE).await.expect("everything is sent");
    let status = sync.status().borrow().clone();
    for (collection, of_it) in &status.collections {
        let left = (of_it.pending, of_it.parked, of_it.quarantined);
        assert_eq!(left, (0, 0, 0), "{collection} has something left: {status:#?}");
    }
    sync.shutdown().await.expect("it ends");
    store.close().await;
}

/// Never ends by itself.
async fn work(pool: &SqlitePool, name: &str, seed: Option<u64>) {
    let Some(seed) = seed else {
        return std::future::pending().await;
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut counted = false;
    loop {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
        for _ in 0..random.u32(1..4) {
            change(&mut transaction, name, &mut random).await;
        }
        let counts = count(&mut transaction, &mut random).await;
        if random.u32(..12) == 0 {
            transaction.rollback().await.expect("a rollback");
        } else {
            transaction.commit().await.expect("a commit");
            if counts && !counted {
                counted = true;
                say("counted");
            }
        }
        // For variety only.
        tokio::time::sleep(Duration::from_micros(random.u64(..8000))).await;
    }
}

async fn change(connection: &mut SqliteConnection, name: &str, random: &mut fastrand::Rng) {
    let note = format!("{name}-{}", random.u64(..NOTES));
    let body = format!("{:x}", random.u64(..));
    match random.u32(..4) {
        0..2 => {
            let insert = "INSERT INTO {}notes VALUES (?1, ?2, ?3, NULL) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            for sql in twins(insert) {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let done = query.bind(&note).bind(name).bind(&body).execute(&mut *connection);
                done.await.expect("a note");
            }
        }
        2 => {
            let stars = random.i64(..5);
            for sql in twins("UPDATE {}notes SET stars = ?1 WHERE id = ?2") {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                let done = query.bind(stars).bind(&note).execute(&mut *connection);
                done.await.expect("stars");
            }
        }
        _ => {
            for sql in twins("DELETE FROM {}notes WHERE id = ?1") {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql));
                query
                    .bind(&note)
                    .execute(&mut *connection)
                    .await
                    .expect("a delete");
            }
        }
    }
}

/// Sells, or takes into stock, if the article is here already; whether it is.
async fn count(connection: &mut SqliteConnection, random: &mut fastrand::Rng) -> bool {
    let (stock, quantity) = (format!("stock-{}", random.u64(..STOCKS)), random.i64(-3..4));
    let note = "INSERT INTO increments SELECT id, ?1 FROM stocks WHERE id = ?2";
    let update = "UPDATE stocks SET quantity = quantity + ?1 WHERE id = ?2";
    let mut rows = 0;
    for sql in [note, update] {
        let query = sqlx::query(sql).bind(quantity).bind(&stock);
        let done = query.execute(&mut *connection).await.expect("an increment");
        rows = done.rows_affected();
    }
    rows > 0
}

/// The same SQL for the mapped table and for the oracle's.
fn twins(sql: &str) -> [String; 2] {
    [sql.replace("{}", ""), sql.replace("{}", "oracle_")]
}
