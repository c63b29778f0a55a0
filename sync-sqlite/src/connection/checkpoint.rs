//! Bringing the write-ahead log back into the database behind a commit, and not in it.
//!
//! SQLite does so in the commit that makes the log 1000 pages long, and holds the write lock meanwhile, for longer than a large batch takes. Apart from the commit it disturbs nobody who
//! writes (<https://sqlite.org/c3ref/wal_checkpoint_v2.html>, `PASSIVE`). Not here: connections of the app, which do what the app has told them to.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use sqlx::SqliteConnection;

use crate::{
    limits::{CHECKPOINT_PAGES, SQLITE_CHECKPOINT_PAGES},
    native::{Native, NativeError},
};

/// Where the log's index tells how many pages are in the log, and how many of them are back in the database (<https://sqlite.org/walformat.html>).
const PAGES_AT: usize = 16;
const RETURNED_AT: usize = 96;

/// Leaves the log to [`run`], unless the app has chosen for itself. Whether it does.
pub(super) fn take_over(native: &Native<'_>) -> Result<bool, NativeError> {
    let mut ask = native.prepare("PRAGMA wal_autocheckpoint")?;
    ask.step()?;
    let is_default = ask.column_i64(0) == SQLITE_CHECKPOINT_PAGES;
    drop(ask);
    if is_default {
        native.execute("PRAGMA wal_autocheckpoint = 0")?;
    }
    Ok(is_default)
}

/// Whether the log of the database at `path` is so long that it should be brought back.
pub(super) fn is_due(path: &str) -> bool {
    match pages(&PathBuf::from(format!("{path}-shm"))) {
        Some((pages, returned)) => pages >= CHECKPOINT_PAGES && returned < pages,
        // Whoever cannot know asks: where there is nothing to do that takes no time.
        None => true,
    }
}

/// Brings back what nobody reads any more. What is in the way, a reader or somebody else who does the same, ends it early, and the next one goes on.
pub(super) async fn run(connection: &mut SqliteConnection) {
    let outcome = sqlx::raw_sql("PRAGMA main.wal_checkpoint(PASSIVE)")
        .execute(connection)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "the write-ahead log was not brought back; the next commit tries again");
    }
}

/// How many pages are in the log, and how many of them are back in the database. Somebody may be writing just now, so it is a guess.
fn pages(index: &Path) -> Option<(u32, u32)> {
    let mut header = [0; RETURNED_AT + size_of::<u32>()];
    File::open(index).ok()?.read_exact(&mut header).ok()?;
    let at = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    Some((at(PAGES_AT)?, at(RETURNED_AT)?))
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;

    use super::*;
    use crate::options;

    #[tokio::test]
    async fn the_index_of_the_log_tells_how_long_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.db");
        let path = path.to_str().unwrap();
        let options = options::connect_options(path.as_ref());
        let mut connection = options.connect().await.unwrap();
        let native = Native::lock(&mut connection).await.unwrap();
        assert!(take_over(&native).unwrap());
        native.execute("CREATE TABLE t(a)").unwrap();
        assert!(!is_due(path));
        let filled = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
                      INSERT INTO t SELECT hex(randomblob(1000)) FROM n";
        native.execute(filled).unwrap();
        assert!(is_due(path));
        let told = |native: &Native<'_>| {
            let mut told = native.prepare("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
            assert!(told.step().unwrap());
            [told.column_i64(1), told.column_i64(2)]
        };
        let (before, _) = pages(format!("{path}-shm").as_ref()).unwrap();
        let told = told(&native);
        assert_eq!(told, [i64::from(before); 2], "SQLite says the same");
        assert_eq!(pages(format!("{path}-shm").as_ref()), Some((before, before)));
        assert!(!is_due(path), "all of it is back");
    }

    #[tokio::test]
    async fn what_the_app_has_chosen_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.db");
        let options = options::connect_options(&path).pragma("wal_autocheckpoint", "300");
        let mut connection = options.connect().await.unwrap();
        let native = Native::lock(&mut connection).await.unwrap();
        assert!(!take_over(&native).unwrap());
        let mut ask = native.prepare("PRAGMA wal_autocheckpoint").unwrap();
        ask.step().unwrap();
        assert_eq!(ask.column_i64(0), 300);
    }
}
