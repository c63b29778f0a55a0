//! What is wrong from the start gets a typed error that says what to do.

use std::path::Path;

use ditto_sync_core::{
    error::ErrorKind,
    repository::{Repository, RepositoryError},
};
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::models::STOCK;
use sqlx::SqlitePool;

use crate::fixture::create_stocks;

#[tokio::test]
async fn a_database_in_memory_is_refused_with_a_way_out() {
    for path in ["", ":memory:"] {
        let error = SqliteRepository::open(path).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains("give the path of a file"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Permanent);
    }
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:file:shared?mode=memory&cache=shared",
    ] {
        let pool = SqlitePool::connect(url).await.unwrap();
        let error = SqliteRepository::from_pool(pool).await.unwrap_err();
        assert!(
            matches!(error, RepositoryError::Unsupported(_)),
            "{url}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_address_is_not_taken_for_a_path() {
    for address in ["sqlite:app.db", "sqlite://app.db", "file:app.db"] {
        let error = SqliteRepository::open(address).await.unwrap_err();
        assert!(error.to_string().contains("from_pool"), "{error}");
        assert!(!Path::new(address).exists());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    std::fs::write(
        &path,
        "Dear customer, this is a letter and not a database. ".repeat(100),
    )
    .unwrap();
    let error = SqliteRepository::open(&path).await.unwrap_err();
    assert!(
        matches!(&error, RepositoryError::NotADatabase { path } if path.ends_with("letter.txt")),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Permanent);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("Dear customer"), "the file is left as it was");
}

#[tokio::test]
async fn a_missing_directory_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let error = SqliteRepository::open(directory.path().join("missing").join("app.db"))
        .await
        .unwrap_err();
    assert!(matches!(error, RepositoryError::Failed { .. }), "{error:?}");
    assert_eq!(error.to_string(), "could not open the database");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("unable to open database file"), "{cause}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_passes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.db");
    let roomy = SqliteRepository::open(&path).await.unwrap();
    create_stocks(&roomy).await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(roomy.pool())
        .await
        .unwrap();
    let options = SqliteRepository::connect_options(&path).pragma("max_page_count", pages.to_string());
    let pool = SqliteRepository::pool_options()
        .connect_with(options)
        .await
        .unwrap();
    let full = SqliteRepository::from_pool(pool).await.unwrap();
    for _ in 0..2 {
        let error = full.prepare(&[&STOCK]).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Full { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Transient);
    }
    roomy.prepare(&[&STOCK]).await.unwrap();
}

#[tokio::test]
async fn a_database_from_the_future_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let repository = SqliteRepository::open(directory.path().join("app.db"))
        .await
        .unwrap();
    repository.prepare(&[]).await.unwrap();
    sqlx::query("UPDATE ditto_sync_meta SET value = 999 WHERE key = 'format'")
        .execute(repository.pool())
        .await
        .unwrap();
    repository.close().await;
    let error = repository.prepare(&[]).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::FutureFormat { found: 999, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("upgrade ditto-sync"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Permanent);
}

#[tokio::test]
async fn an_operation_before_prepare_or_after_close_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let repository = SqliteRepository::open(directory.path().join("app.db"))
        .await
        .unwrap();
    assert!(matches!(repository.pending().await, Err(RepositoryError::Closed)));
    repository.prepare(&[]).await.unwrap();
    assert!(repository.pending().await.unwrap().is_empty());
    repository.close().await;
    assert!(matches!(repository.pending().await, Err(RepositoryError::Closed)));
}
