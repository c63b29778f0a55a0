//! How connections are opened: the app's pool, and the repository's own.
//!
//! Not here: opening them.

use std::path::Path;

use sqlx::{
    SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{database::Database, limits};

/// Options for a connection to the file at `path`: created when missing, write-ahead log, foreign keys on, `synchronous = NORMAL` (a crash of the
/// process loses nothing; power loss may undo the newest commits), 5 s of waiting for the write lock, up to 8 MB of page cache.
pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(limits::POOL_BUSY_TIMEOUT)
        .pragma("cache_size", limits::APP_CACHE_KIB.to_string())
}

/// Options for a pool whose connections have gone through [`prepare_connection`].
///
/// Without idle timeout and longest life sqlx starts no maintenance task for the pool. That of 0.9.0 counts idle connections while others take them, and may meet a count
/// below zero: then it keeps a core busy for ever (<https://github.com/transact-rs/sqlx/issues/3645>). Connections to a file need neither.
pub(crate) fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(|connection, _| Box::pin(async move { prepare_connection(connection).await }))
}

/// Lets commits on `connection` wake the coordinator of the same file in this process. `recursive_triggers` stays as the app has it: capture does without,
/// and a trigger of the app that stamps its own table would never end with it.
pub(crate) async fn prepare_connection(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let Some(path) = file_of(&mut *connection).await? else {
        return Ok(());
    };
    // The hook holds the shared value, so that a repository opened later finds the same one.
    let database = Database::at(&path);
    connection.lock_handle().await?.set_commit_hook(move || {
        database.hints().commit_is_near();
        true
    });
    Ok(())
}

/// Options for the repository's own connections to the file that `pool` uses. Everything the app has chosen holds for them too (collations, keys,
/// journal mode), except what the bookkeeping relies on.
pub(crate) fn own_options(pool: &SqlitePool, path: &str) -> SqliteConnectOptions {
    pool.connect_options()
        .as_ref()
        .clone()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(limits::BUSY_TIMEOUT)
}

/// The file of the main database, absolute; `None` when it lives in memory or in a temporary file.
pub(crate) async fn file_of(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let file: Option<String> =
        sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_one(connection)
            .await?;
    Ok(file.filter(|file| !file.is_empty()))
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;

    use super::*;

    #[tokio::test]
    async fn our_connections_have_room_for_captured_transactions_unless_told_otherwise() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = connect_options(&directory.path().join("app.db"));
        let told = options.clone().pragma("cache_size", "-500");
        for (options, size) in [(options, limits::APP_CACHE_KIB), (told, -500)] {
            let mut connection = options.connect().await.expect("connects");
            let found = sqlx::query_scalar("PRAGMA cache_size").fetch_one(&mut connection);
            assert_eq!(found.await.ok(), Some(size));
        }
    }

    #[test]
    fn our_pools_have_no_maintenance_task() {
        let options = pool_options();
        assert_eq!(
            (
                options.get_idle_timeout(),
                options.get_max_lifetime(),
                options.get_min_connections()
            ),
            (None, None, 0)
        );
    }
}
