//! Opening a repository, and the app's own transactions.

use std::{pin::pin, time::Duration};

use ditto_sync_sqlite::SqliteRepository;
use sqlx::{Connection, Row, SqlitePool};

async fn repository(directory: &tempfile::TempDir) -> SqliteRepository {
    let repository = SqliteRepository::open(directory.path().join("app.db"))
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, a UNIQUE)")
        .execute(repository.pool())
        .await
        .unwrap();
    repository
}

async fn count(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM t")
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn open_creates_the_file_and_sets_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(&directory).await;
    assert!(repository.path().is_absolute());
    assert!(repository.path().ends_with("app.db"));
    for (pragma, expected) in [
        ("journal_mode", "wal"),
        ("synchronous", "1"),
        ("foreign_keys", "1"),
        ("recursive_triggers", "0"),
        ("busy_timeout", "5000"),
    ] {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}")))
            .fetch_one(repository.pool())
            .await
            .unwrap();
        let value = row
            .try_get::<String, _>(0)
            .unwrap_or_else(|_| row.get::<i64, _>(0).to_string());
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn a_path_with_any_characters_is_one_file() {
    let directory = tempfile::tempdir().unwrap();
    for name in [
        "with space.db",
        "quote's.db",
        "question?mode=memory.db",
        "hash#.db",
        "percent%20.db",
        "ž.db",
    ] {
        let repository = SqliteRepository::open(directory.path().join(name)).await.unwrap();
        assert!(repository.path().ends_with(name), "{name}");
        assert!(repository.path().is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_pool_of_the_app_is_used_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = SqliteRepository::connect_options(&path);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let repository = SqliteRepository::from_pool(pool.clone()).await.unwrap();
    assert_eq!(
        repository.path().canonicalize().unwrap(),
        path.canonicalize().unwrap()
    );
    sqlx::raw_sql("CREATE TABLE t(a)")
        .execute(repository.pool())
        .await
        .unwrap();
    assert_eq!(count(&pool).await, 0);
}

#[tokio::test]
async fn a_write_transaction_commits_rolls_back_and_rolls_back_on_drop() {
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(&directory).await;
    let mut transaction = repository.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1, 1)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();

    let mut transaction = repository.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (2, 2)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();

    let mut transaction = repository.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (3, 3)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    drop(transaction);

    let mut transaction = repository.begin().await.unwrap();
    let mut savepoint = transaction.begin().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (4, 4)")
        .execute(&mut *savepoint)
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    sqlx::query("INSERT INTO t VALUES (5, 5)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();

    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM t ORDER BY id")
        .fetch_all(repository.pool())
        .await
        .unwrap();
    assert_eq!(ids, [1, 5]);
}

#[tokio::test]
async fn write_transactions_of_one_file_take_turns_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let first = repository(&directory).await;
    let second = repository(&directory).await;
    let held = first.begin().await.unwrap();
    let mut waiting = pin!(second.begin());
    // Other connections go ahead meanwhile, so the wait is for the turn and not for a connection.
    for _ in 0..10 {
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert_eq!(count(second.pool()).await, 0);
    }
    held.commit().await.unwrap();
    waiting.await.unwrap().commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_that_take_turns_are_never_busy() {
    let directory = tempfile::tempdir().unwrap();
    let repositories = [repository(&directory).await, repository(&directory).await];
    let mut tasks = Vec::new();
    for writer in 0..8_usize {
        let repository = repositories[writer % 2].clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..25 {
                let mut transaction = repository.begin().await.unwrap();
                let read: i64 = sqlx::query_scalar("SELECT count(*) FROM t")
                    .fetch_one(&mut *transaction)
                    .await
                    .unwrap();
                sqlx::query("INSERT INTO t(a) VALUES (?)")
                    .bind(read)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(repositories[0].pool()).await, 200);
}

#[tokio::test]
async fn a_cancelled_begin_leaves_neither_turn_nor_lock_behind() {
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(&directory).await;
    for delay in 0..10 {
        let begin = tokio::time::timeout(Duration::from_micros(delay * 30), repository.begin());
        drop(begin.await);
        let mut transaction = repository.begin().await.unwrap();
        sqlx::query("INSERT INTO t(a) VALUES (NULL)")
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(count(repository.pool()).await, 10);
}
