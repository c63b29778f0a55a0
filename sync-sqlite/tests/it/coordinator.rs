//! One coordinator per database, in one process and across processes; and what it does while the app holds the write lock.

use std::{
    env,
    path::Path,
    process::{Command, Output},
};

use ditto_sync_core::{
    error::ErrorKind,
    repository::{Repository, RepositoryError},
};
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::models::STOCK;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::fixture::{create_stocks, insert_stock};

/// Names the database to the child process of a test.
const DATABASE: &str = "DITTO_SYNC_SQLITE_TEST_DATABASE";

/// Runs `test` of this binary in another process, which finds [`DATABASE`] set.
fn run_in_another_process(test: &str, database: &Path) -> Output {
    Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(DATABASE, database)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_second_coordinator_in_this_process_is_refused_until_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let first = SqliteRepository::open(&path).await.unwrap();
    let second = SqliteRepository::open(&path).await.unwrap();
    first.prepare(&[]).await.unwrap();
    let error = first.prepare(&[]).await.unwrap_err();
    assert!(matches!(error, RepositoryError::InUse { .. }), "{error}");

    let error = second.prepare(&[]).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::InUse { path } if path.ends_with("app.db")),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Permanent);
    sqlx::query("SELECT 1")
        .execute(second.pool())
        .await
        .expect("the tables stay usable");

    first.close().await;
    first.close().await;
    second.prepare(&[]).await.unwrap();
    drop(second);
    first
        .prepare(&[])
        .await
        .expect("dropping releases too, and a closed repository opens again");
}

#[tokio::test]
async fn a_coordinator_that_could_not_prepare_keeps_nobody_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let first = SqliteRepository::open(&path).await.unwrap();
    let error = first.prepare(&[&STOCK]).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Unusable(_)), "{error:?}");
    let second = SqliteRepository::open(&path).await.unwrap();
    second.prepare(&[]).await.unwrap();
}

#[tokio::test]
async fn a_second_coordinator_in_another_process_is_refused() {
    if let Ok(database) = env::var(DATABASE) {
        let repository = SqliteRepository::open(database).await.unwrap();
        let error = repository.prepare(&[]).await.unwrap_err();
        assert!(matches!(error, RepositoryError::InUse { .. }), "{error:?}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let repository = SqliteRepository::open(&path).await.unwrap();
    repository.prepare(&[]).await.unwrap();
    let test = "coordinator::a_second_coordinator_in_another_process_is_refused";
    let output = run_in_another_process(test, &path);
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );

    repository.close().await;
    let output = run_in_another_process(test, &path);
    assert!(
        !output.status.success(),
        "after closing, the other one is let in: {output:?}"
    );
}

#[tokio::test]
async fn a_write_of_another_process_is_noticed_and_captured() {
    if let Ok(database) = env::var(DATABASE) {
        // Plain sqlx, as an app that knows nothing of this library.
        let mut connection = SqliteConnection::connect(&format!("sqlite://{database}"))
            .await
            .unwrap();
        insert_stock(&mut connection, "elsewhere").await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let repository = SqliteRepository::open(&path).await.unwrap();
    create_stocks(&repository).await;
    repository.prepare(&[&STOCK]).await.unwrap();
    repository.changed().await;
    let test = "coordinator::a_write_of_another_process_is_noticed_and_captured";
    let other = path.clone();
    let child = tokio::task::spawn_blocking(move || run_in_another_process(test, &other));
    loop {
        crate::fixture::changed(&repository).await;
        let pending = repository.pending().await.unwrap();
        if pending.iter().any(|count| count.entries == 1) {
            break;
        }
    }
    let output = child.await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn an_app_that_holds_the_write_lock_makes_us_busy_and_then_lets_us_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let repository = SqliteRepository::open(&path).await.unwrap();
    create_stocks(&repository).await;
    let mut app = SqliteRepository::connect_options(&path).connect().await.unwrap();
    let mut held = app.begin_with("BEGIN IMMEDIATE").await.unwrap();
    insert_stock(&mut held, "held").await;

    let error = repository.prepare(&[&STOCK]).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Busy { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Transient);
    held.commit().await.unwrap();
    repository.prepare(&[&STOCK]).await.unwrap();
}

#[tokio::test]
async fn a_read_only_database_is_told_before_anything_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let writable = SqliteRepository::open(&path).await.unwrap();
    create_stocks(&writable).await;
    let options = SqliteRepository::connect_options(&path).read_only(true);
    let pool = SqliteRepository::pool_options()
        .connect_with(options)
        .await
        .unwrap();
    let repository = SqliteRepository::from_pool(pool).await.unwrap();
    let error = repository.prepare(&[&STOCK]).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::ReadOnly { path } if path.ends_with("app.db")),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Permanent);
}
