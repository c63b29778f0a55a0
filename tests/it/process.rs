//! Two processes write one database file, one of them without our library.

use std::process::{Command, Stdio};

use ditto_sync::{DittoAdapter, SyncRegistry};

use crate::devices::Pair;

#[derive(DittoAdapter)]
#[ditto(collection = "readings")]
struct Reading {
    #[ditto(id)]
    id: i64,
    source: String,
    value: i64,
}

const DATABASE: &str = "DITTO_SYNC_TEST_FOREIGN_DATABASE";
const ROWS: i64 = 200;

/// Not a test of its own: the other process, which only knows sqlx. Started by the test below, and a no-op otherwise.
#[tokio::test]
async fn foreign_writer() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(crate::devices::PATIENCE);
    let pool = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("the database opens");
    for id in 0..ROWS {
        sqlx::query("INSERT INTO readings VALUES (?, 'foreign', 0)")
            .bind(id * 2)
            .execute(&pool)
            .await
            .expect("an insert");
        sqlx::query("UPDATE readings SET value = value + ? WHERE id = ?")
            .bind(id)
            .bind(id * 2)
            .execute(&pool)
            .await
            .expect("an update");
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_of_both_processes_is_captured() {
    let schema =
        "CREATE TABLE readings (id INTEGER PRIMARY KEY, source TEXT NOT NULL, value INTEGER NOT NULL)";
    let pair = Pair::new(schema, || SyncRegistry::new().with::<Reading>()).await;
    let program = std::env::current_exe().expect("this binary");
    let mut other = Command::new(program)
        .args(["--exact", "process::foreign_writer"])
        .env(DATABASE, pair.directory.path().join("left.db"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the other process starts");
    for id in 0..ROWS {
        let mut write = pair.left.repository.begin().await.expect("our turn");
        sqlx::query("INSERT INTO readings VALUES (?, 'own', ?)")
            .bind(id * 2 + 1)
            .bind(id)
            .execute(&mut *write)
            .await
            .expect("an insert");
        write.commit().await.expect("a commit");
    }
    let ended = tokio::task::spawn_blocking(move || other.wait())
        .await
        .expect("the wait")
        .expect("the other process");
    assert!(ended.success(), "the other process failed");
    let rows = pair
        .in_step("SELECT quote(id), quote(source), quote(value) FROM readings ORDER BY id")
        .await;
    let expected: Vec<_> = (0..ROWS)
        .flat_map(|id| {
            [
                format!("{},'foreign',{id}", id * 2),
                format!("{},'own',{id}", id * 2 + 1),
            ]
        })
        .collect();
    assert_eq!(rows, expected);
    pair.close().await;
}
