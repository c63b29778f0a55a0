//! The coordinator is woken by commits, wherever they come from.

use ditto_sync_core::repository::Repository;
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::models::STOCK;
use sqlx::{ConnectOptions, SqlitePool};

use crate::fixture::{changed, create_stocks, insert_stock};

async fn prepared(path: &std::path::Path) -> SqliteRepository {
    let repository = SqliteRepository::open(path).await.unwrap();
    create_stocks(&repository).await;
    repository.prepare(&[&STOCK]).await.unwrap();
    // The first call reports what may have happened before.
    changed(&repository).await;
    repository
}

#[tokio::test]
async fn commits_of_the_pool_of_begin_and_of_others_wake() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let repository = prepared(&path).await;

    insert_stock(&mut repository.pool().acquire().await.unwrap(), "pool").await;
    changed(&repository).await;

    let mut transaction = repository.begin().await.unwrap();
    insert_stock(&mut transaction, "begin").await;
    transaction.commit().await.unwrap();
    changed(&repository).await;

    let mut foreign = SqliteRepository::connect_options(&path).connect().await.unwrap();
    insert_stock(&mut foreign, "foreign").await;
    changed(&repository).await;

    let options = SqliteRepository::connect_options(&path);
    let own_pool = SqlitePool::connect_with(options).await.unwrap();
    insert_stock(&mut own_pool.acquire().await.unwrap(), "own pool").await;
    changed(&repository).await;

    repository.notify();
    changed(&repository).await;
    assert_eq!(repository.pending().await.unwrap()[0].entries, 4);
}

#[tokio::test]
async fn a_commit_wakes_whoever_waits_already() {
    let directory = tempfile::tempdir().unwrap();
    let repository = prepared(&directory.path().join("app.db")).await;
    for number in 0..20 {
        tokio::join!(changed(&repository), async {
            let mut connection = repository.pool().acquire().await.unwrap();
            insert_stock(&mut connection, &number.to_string()).await;
        });
    }
}

#[tokio::test]
async fn looking_without_work_does_not_wake_again() {
    let directory = tempfile::tempdir().unwrap();
    let repository = prepared(&directory.path().join("app.db")).await;
    let looks = async {
        for _ in 0..50 {
            repository.pending().await.unwrap();
            repository.mark(&[]).await.unwrap();
            sqlx::query("UPDATE stocks SET quantity = 9 WHERE id = 'missing'")
                .execute(repository.pool())
                .await
                .unwrap();
        }
    };
    tokio::select! {
        biased;
        () = repository.changed() => panic!("nothing has changed"),
        () = looks => {}
    }
}
