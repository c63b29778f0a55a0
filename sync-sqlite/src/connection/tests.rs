//! Own connections against a real file.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use ditto_sync_core::{error::ErrorKind, repository::RepositoryError};
use tempfile::TempDir;

use super::*;
use crate::{limits, options};

struct Fixture {
    writer: Writer,
    reader: Reader,
    options: SqliteConnectOptions,
    _directory: TempDir,
}

async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = options::connect_options(&path).busy_timeout(limits::BUSY_TIMEOUT);
    let mut app = options.connect().await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE t(a); CREATE TABLE log(a);
         CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.a); END",
    )
    .execute(&mut app)
    .await
    .unwrap();
    let database = Database::at(path.to_str().unwrap());
    Fixture {
        writer: Writer::new(Arc::clone(&database), options.clone()),
        reader: Reader::new(database, &options),
        options,
        _directory: directory,
    }
}

impl Fixture {
    async fn begin(&self) -> Transaction {
        self.writer.begin("test", Durability::Normal).await.unwrap()
    }

    async fn count(&self, table: &str) -> i64 {
        let mut transaction = self.reader.begin("count").await.unwrap();
        let count = read(&mut transaction, &format!("SELECT count(*) FROM {table}")).await;
        transaction.rollback().await.unwrap();
        count
    }
}

async fn write(transaction: &mut Transaction, sql: &str) {
    transaction.native().await.unwrap().execute(sql).unwrap();
}

async fn read(transaction: &mut Transaction, sql: &str) -> i64 {
    let native = transaction.native().await.unwrap();
    let mut statement = native.prepare(sql).unwrap();
    assert!(statement.step().unwrap());
    statement.column_i64(0)
}

#[tokio::test]
async fn a_commit_stays_and_a_drop_or_rollback_does_not() {
    let fixture = fixture().await;
    let mut transaction = fixture.begin().await;
    write(&mut transaction, "INSERT INTO t VALUES (1)").await;
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("t").await, 1);

    let mut transaction = fixture.begin().await;
    write(&mut transaction, "INSERT INTO t VALUES (2)").await;
    assert_eq!(
        fixture.count("t").await,
        1,
        "readers do not see it before the commit"
    );
    drop(transaction);
    let mut transaction = fixture.begin().await;
    assert_eq!(read(&mut transaction, "SELECT count(*) FROM t").await, 1);
    write(&mut transaction, "INSERT INTO t VALUES (3)").await;
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.count("t").await, 1);
}

#[tokio::test]
async fn triggers_fire_again_in_the_next_transaction() {
    let fixture = fixture().await;
    let mut transaction = fixture.begin().await;
    transaction
        .native()
        .await
        .unwrap()
        .set_triggers_enabled(false)
        .unwrap();
    write(&mut transaction, "INSERT INTO t VALUES (1)").await;
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("log").await, 0);
    let mut transaction = fixture.begin().await;
    transaction
        .native()
        .await
        .unwrap()
        .set_triggers_enabled(false)
        .unwrap();
    drop(transaction);
    let mut transaction = fixture.begin().await;
    write(&mut transaction, "INSERT INTO t VALUES (2)").await;
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("log").await, 1);
}

#[tokio::test]
async fn durability_is_set_per_transaction() {
    let fixture = fixture().await;
    for (durability, level) in [
        (Durability::Full, 2),
        (Durability::Normal, 1),
        (Durability::Full, 2),
    ] {
        let mut transaction = fixture.writer.begin("test", durability).await.unwrap();
        assert_eq!(read(&mut transaction, "PRAGMA synchronous").await, level);
        transaction.commit().await.unwrap();
    }
}

#[tokio::test]
async fn the_writer_has_room_for_its_pages_unless_the_app_has_chosen() {
    let fixture = fixture().await;
    let mut transaction = fixture.begin().await;
    assert_eq!(
        read(&mut transaction, "PRAGMA cache_size").await,
        limits::WRITER_CACHE_KIB
    );
    transaction.rollback().await.unwrap();
    let path = fixture.options.get_filename().to_str().unwrap().to_owned();
    for (of_the_app, ours) in [
        (limits::SQLITE_CACHE_KIB, limits::WRITER_CACHE_KIB),
        (-500, -500),
        (-50_000, -50_000),
    ] {
        let chosen = fixture
            .options
            .clone()
            .pragma("cache_size", of_the_app.to_string());
        let writer = Writer::new(Database::at(&path), chosen);
        let mut transaction = writer.begin("test", Durability::Normal).await.unwrap();
        assert_eq!(read(&mut transaction, "PRAGMA cache_size").await, ours);
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_begin_leaves_no_lock_behind() {
    let fixture = fixture().await;
    let mut app = fixture.options.connect().await.unwrap();
    for polls in 1..12 {
        {
            let mut begin = pin!(fixture.writer.begin("test", Durability::Normal));
            for _ in 0..polls {
                let done =
                    std::future::poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready()))
                        .await;
                if done {
                    break;
                }
                // Only varies how far the worker has come.
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
        sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO t VALUES (1); COMMIT")
            .execute(&mut app)
            .await
            .unwrap();
        fixture.begin().await.commit().await.unwrap();
    }
    assert_eq!(fixture.count("t").await, 11);
}

#[tokio::test]
async fn a_cancelled_commit_has_happened_or_not_and_the_next_transaction_works() {
    let fixture = fixture().await;
    let mut expected = 0;
    for polls in 0..8 {
        let mut transaction = fixture.begin().await;
        write(&mut transaction, "INSERT INTO t VALUES (1)").await;
        {
            let mut commit = pin!(transaction.commit());
            for _ in 0..polls {
                let done =
                    std::future::poll_fn(|context| Poll::Ready(commit.as_mut().poll(context).is_ready()))
                        .await;
                if done {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let mut transaction = fixture.begin().await;
        let count = read(&mut transaction, "SELECT count(*) FROM t").await;
        assert!(
            count == expected || count == expected + 1,
            "{count} after {expected}"
        );
        expected = count;
        transaction.commit().await.unwrap();
    }
    assert_eq!(fixture.count("t").await, expected);
}

#[tokio::test]
async fn a_full_disk_is_told_and_passes() {
    let fixture = fixture().await;
    let mut transaction = fixture
        .writer
        .begin("fill the disk", Durability::Normal)
        .await
        .unwrap();
    let context = transaction.context().clone();
    let error = {
        let native = transaction.native().await.unwrap();
        native.execute("PRAGMA max_page_count = 10").unwrap();
        native
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                 INSERT INTO t SELECT randomblob(4000) FROM n",
            )
            .unwrap_err()
    };
    assert_eq!(error.code(), Some(libsqlite3_sys::SQLITE_FULL), "{error}");
    let error = context.error(error);
    assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no space is left while trying to fill the disk"
    );
    assert_eq!(error.kind(), ErrorKind::Transient);
    drop(transaction);
    fixture.writer.close().await;

    let mut transaction = fixture.begin().await;
    write(&mut transaction, "INSERT INTO t VALUES (randomblob(100000))").await;
    transaction.commit().await.unwrap();
    assert_eq!(
        fixture.count("t").await,
        1,
        "nothing of the failed statement is left"
    );
}

#[tokio::test]
async fn a_connection_that_lost_its_transaction_is_replaced() {
    let fixture = fixture().await;
    let mut transaction = fixture.begin().await;
    // What SQLite does by itself after some errors, behind the back of sqlx.
    write(&mut transaction, "ROLLBACK").await;
    assert!(matches!(
        transaction.commit().await,
        Err(RepositoryError::Failed { .. })
    ));
    let mut transaction = fixture.begin().await;
    write(&mut transaction, "INSERT INTO t VALUES (1)").await;
    transaction.commit().await.unwrap();
    assert_eq!(fixture.count("t").await, 1);
}

#[tokio::test]
async fn a_lock_held_by_another_connection_is_busy_until_it_ends() {
    let fixture = fixture().await;
    let impatient = Writer::new(
        Arc::clone(&fixture.writer.database),
        fixture.options.clone().busy_timeout(Duration::from_millis(20)),
    );
    let mut app = fixture.options.connect().await.unwrap();
    let held = app.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for _ in 0..2 {
        let error = impatient.begin("write", Durability::Full).await.unwrap_err();
        assert!(
            matches!(error, RepositoryError::Busy { action: "write", .. }),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Transient);
    }
    held.rollback().await.unwrap();
    impatient
        .begin("write", Durability::Full)
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reader_does_not_write_nor_wait_for_a_writer() {
    let fixture = fixture().await;
    let mut writing = fixture.begin().await;
    write(&mut writing, "INSERT INTO t VALUES (1)").await;
    let mut reading = fixture.reader.begin("read").await.unwrap();
    let error = reading
        .native()
        .await
        .unwrap()
        .execute("INSERT INTO t VALUES (2)")
        .unwrap_err();
    assert_eq!(error.code(), Some(libsqlite3_sys::SQLITE_READONLY), "{error}");
    reading.commit().await.unwrap();
    writing.commit().await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_is_told() {
    let fixture = fixture().await;
    let writer = Writer::new(
        Arc::clone(&fixture.writer.database),
        fixture.options.clone().read_only(true),
    );
    for attempt in 1..=2 {
        let error = writer.begin("write", Durability::Full).await.unwrap_err();
        let RepositoryError::ReadOnly { path } = &error else {
            panic!("attempt {attempt}: {error:?}")
        };
        assert!(path.ends_with("app.db"));
        assert_eq!(error.kind(), ErrorKind::Permanent);
    }
}

#[tokio::test]
async fn writers_of_one_file_take_turns() {
    let fixture = fixture().await;
    let other = Writer::new(
        Database::at(fixture.writer.database.path()),
        fixture.options.clone(),
    );
    let first = fixture.begin().await;
    let mut second = pin!(other.begin("test", Durability::Normal));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    first.commit().await.unwrap();
    second.await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn the_log_is_brought_back_behind_commits_and_stays_short() {
    const PAGES: u64 = 300;
    let fixture = fixture().await;
    let log = format!("{}-wal", fixture.writer.database.path());
    let length = || std::fs::metadata(&log).unwrap().len() / 4096;
    let mut longest = 0;
    for _ in 0..30 {
        let mut transaction = fixture.begin().await;
        let rows = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {PAGES}) \
             INSERT INTO log SELECT zeroblob(4000) FROM n"
        );
        write(&mut transaction, &rows).await;
        transaction.commit().await.unwrap();
        longest = longest.max(length());
    }
    // What a commit writes is known to the next transaction.
    let most = u64::from(limits::CHECKPOINT_PAGES) + 3 * PAGES;
    assert!(
        (u64::from(limits::CHECKPOINT_PAGES)..most).contains(&longest),
        "{longest} pages"
    );
    assert_eq!(fixture.count("log").await, 30 * i64::try_from(PAGES).unwrap());
}

#[tokio::test]
async fn nobody_waits_for_a_turn_because_our_connection_is_busy_with_the_log() {
    let fixture = fixture().await;
    fixture.begin().await.commit().await.unwrap();
    let busy = fixture.writer.slot.take().await;
    let mut begin = pin!(fixture.writer.begin("test", Durability::Normal));
    assert!(poll_once(begin.as_mut()).await.is_none());
    let turn = poll_once(pin!(fixture.writer.database.turn())).await;
    assert!(turn.is_some(), "an app may write");
    drop((turn, busy));
    begin.await.unwrap().commit().await.unwrap();
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
