//! The watch against a real file. "Nothing changed" is shown by what the watch still reports afterwards, not by waiting.

use std::{future::Future, path::PathBuf, pin::pin, task::Poll};

use sqlx::sqlite::SqlitePool;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::options;

const DEADLINE: Duration = Duration::from_secs(30);
/// So rare that nothing is ever noticed by polling.
const NEVER: Duration = Duration::from_secs(3600);

struct Fixture {
    watch: Watch,
    path: PathBuf,
    _directory: TempDir,
}

async fn fixture(interval: Duration) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let options = options::connect_options(&path);
    let mut app = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE t(a)")
        .execute(&mut app)
        .await
        .unwrap();
    let watch = Watch::new(Database::at(path.to_str().unwrap()), &options, interval);
    timeout(DEADLINE, watch.changed())
        .await
        .expect("the first look reports");
    Fixture {
        watch,
        path,
        _directory: directory,
    }
}

impl Fixture {
    async fn changed(&self) {
        timeout(DEADLINE, self.watch.changed())
            .await
            .expect("the change is noticed");
    }

    async fn foreign(&self) -> SqliteConnection {
        options::connect_options(&self.path).connect().await.unwrap()
    }

    async fn pool(&self) -> SqlitePool {
        options::pool_options()
            .connect_with(options::connect_options(&self.path))
            .await
            .unwrap()
    }
}

async fn insert(connection: &mut SqliteConnection) {
    sqlx::query("INSERT INTO t VALUES (1)")
        .execute(connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_commit_of_a_foreign_connection_is_noticed_by_polling() {
    let fixture = fixture(limits::POLL_INTERVAL).await;
    let mut foreign = fixture.foreign().await;
    for _ in 0..3 {
        let (_, ()) = tokio::join!(insert(&mut foreign), fixture.changed());
    }
}

#[tokio::test]
async fn a_commit_through_the_pool_is_noticed_without_polling() {
    let fixture = fixture(NEVER).await;
    let pool = fixture.pool().await;
    for _ in 0..50 {
        let (_, ()) = tokio::join!(
            async { insert(&mut pool.acquire().await.unwrap()).await },
            fixture.changed()
        );
    }
}

#[tokio::test]
async fn a_change_between_two_calls_is_not_missed() {
    let fixture = fixture(NEVER).await;
    let mut foreign = fixture.foreign().await;
    insert(&mut foreign).await;
    fixture.changed().await;
}

#[tokio::test]
async fn a_cancelled_look_misses_nothing() {
    let fixture = fixture(NEVER).await;
    let mut foreign = fixture.foreign().await;
    for polls in 1..6 {
        insert(&mut foreign).await;
        let mut reported = false;
        {
            let mut changed = pin!(fixture.watch.changed());
            for _ in 0..polls {
                reported =
                    std::future::poll_fn(|context| Poll::Ready(changed.as_mut().poll(context).is_ready()))
                        .await;
                if reported {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        if !reported {
            fixture.changed().await;
        }
    }
}

#[tokio::test]
async fn nothing_is_reported_when_nothing_was_committed() {
    let fixture = fixture(Duration::from_millis(1)).await;
    let mut foreign = fixture.foreign().await;
    let looks = async {
        // Reads, rolled back writes and announced commits that never come are no changes.
        for _ in 0..20 {
            sqlx::query("SELECT * FROM t")
                .fetch_all(&mut foreign)
                .await
                .unwrap();
            let mut transaction = foreign.begin().await.unwrap();
            insert(&mut transaction).await;
            transaction.rollback().await.unwrap();
            fixture.watch.database.hints().commit_is_near();
        }
    };
    tokio::select! {
        biased;
        () = fixture.watch.changed() => panic!("nothing was committed"),
        () = looks => {}
    }
    insert(&mut foreign).await;
    fixture.changed().await;
}

#[tokio::test]
async fn asking_wakes_without_a_change() {
    let fixture = fixture(NEVER).await;
    let hints = fixture.watch.database.hints();
    hints.ask();
    fixture.changed().await;
    let (_, ()) = tokio::join!(fixture.changed(), async {
        tokio::task::yield_now().await;
        hints.ask();
    });
}

#[tokio::test]
async fn own_changes_of_rows_wake_listeners_without_polling_and_nobody_else() {
    let mut fixture = fixture(NEVER).await;
    let hints = Database::at(fixture.path.to_str().unwrap());
    hints.hints().rows_changed();
    {
        let mut coordinator = pin!(fixture.watch.changed());
        assert!(futures_util::poll!(coordinator.as_mut()).is_pending());
    }
    fixture.watch = fixture.watch.for_listeners();
    fixture.changed().await;
}

#[tokio::test]
async fn closing_takes_the_connection_even_from_a_look_that_was_left_lying() {
    let fixture = fixture(Duration::from_millis(1)).await;
    let mut lying = Box::pin(fixture.watch.changed());
    assert!(futures_util::poll!(lying.as_mut()).is_pending());
    timeout(DEADLINE, fixture.watch.close())
        .await
        .expect("closing does not wait for it");
    drop(lying);
    assert!(fixture.watch.state().eye.is_none());
    fixture.changed().await;
}
