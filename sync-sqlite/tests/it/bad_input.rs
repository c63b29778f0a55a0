//! What is wrong from the start gets a typed error that says what to do.

use std::path::Path;

use ditto_sync_core::{error::ErrorKind, repository::RepositoryError};
use ditto_sync_sqlite::SqliteRepository;
use sqlx::SqlitePool;

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
