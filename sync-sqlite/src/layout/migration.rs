//! Brings the tables that serve the whole database to the current format.

use ditto_sync_core::{hash::HASH_FORMAT, repository::RepositoryError};
use sqlx::SqliteConnection;

use crate::error::{Context, DatabaseError};

/// One entry for each format, from 1; forward only. An entry that was released is never edited.
const MIGRATIONS: &[&[&str]] = &[
    &[
    "CREATE TABLE \"ditto_sync_meta\"(key TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID",
    "CREATE TABLE \"ditto_sync_models\"(no INTEGER PRIMARY KEY, tbl TEXT UNIQUE, collection TEXT UNIQUE, layout TEXT NOT NULL,
        fingerprint TEXT NOT NULL, cursor BLOB, reconciled BLOB, seeded INTEGER NOT NULL DEFAULT 0)",
    // No affinity on the key columns: they are compared with the app's columns as those hold them.
    "CREATE TABLE \"ditto_sync_guard\"(one INTEGER PRIMARY KEY CHECK (one = 1), active INTEGER NOT NULL DEFAULT 0,
        k0, k1, k2, k3, k4, k5, k6, k7)",
    "CREATE TABLE \"ditto_sync_intents\"(sequence INTEGER PRIMARY KEY, previous INTEGER, state INTEGER NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE \"ditto_sync_parked\"(model INTEGER NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (model, id)) WITHOUT ROWID",
    "CREATE TABLE \"ditto_sync_quarantine\"(model INTEGER NOT NULL, id BLOB NOT NULL, way INTEGER NOT NULL, reason TEXT NOT NULL,
        raw BLOB, attempts INTEGER NOT NULL DEFAULT 1, since INTEGER NOT NULL, PRIMARY KEY (model, id, way)) WITHOUT ROWID",
    "CREATE TABLE \"ditto_sync_conflicts\"(no INTEGER PRIMARY KEY, model INTEGER NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL,
        kind INTEGER NOT NULL, fields BLOB NOT NULL)",
    ],
    // Known sets became logs, too: each is rewritten when its model is registered.
    &[
        "CREATE TABLE \"ditto_sync_payloads\"(sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
        "INSERT INTO \"ditto_sync_payloads\" SELECT sequence, payload FROM \"ditto_sync_intents\"",
        "ALTER TABLE \"ditto_sync_intents\" DROP COLUMN payload",
    ],
];

/// The newest format this version knows.
const FORMAT: i64 = MIGRATIONS.len() as i64;

/// What [`migrate`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Migrated {
    /// Hashes in the known sets were made by another version of the canonical bytes.
    pub(crate) rehash: bool,
}

/// Creates or upgrades the bookkeeping, in the caller's write transaction. Writes nothing when it is up to date.
///
/// # Errors
/// [`RepositoryError::FutureFormat`] when a newer version of this library wrote it.
pub(crate) async fn migrate(
    conn: &mut SqliteConnection,
    context: &Context,
    path: &str,
) -> Result<Migrated, RepositoryError> {
    let failed = |error: DatabaseError| context.error(error);
    let found = format_of(conn).await.map_err(failed)?;
    if found > FORMAT {
        return Err(RepositoryError::FutureFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    upgrade(conn, found).await.map_err(failed)
}

/// 0 for a database we have not met.
async fn format_of(conn: &mut SqliteConnection) -> Result<i64, DatabaseError> {
    let (exists,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'ditto_sync_meta')",
    )
    .fetch_one(&mut *conn)
    .await?;
    if !exists {
        return Ok(0);
    }
    let format: Option<(i64,)> = sqlx::query_as("SELECT value FROM ditto_sync_meta WHERE key = 'format'")
        .fetch_optional(conn)
        .await?;
    Ok(format.map_or(0, |(format,)| format))
}

async fn upgrade(conn: &mut SqliteConnection, found: i64) -> Result<Migrated, DatabaseError> {
    let done = usize::try_from(found).unwrap_or_default();
    // Nested loops: a flattened iterator, held over an await, keeps the compiler from seeing that the future is `Send`.
    for migration in MIGRATIONS.iter().skip(done) {
        for statement in migration.iter().copied() {
            sqlx::query(statement).execute(&mut *conn).await?;
        }
    }
    if found < FORMAT {
        set(conn, "format", FORMAT).await?;
    }
    let hash_format: Option<(i64,)> =
        sqlx::query_as("SELECT value FROM ditto_sync_meta WHERE key = 'hash_format'")
            .fetch_optional(&mut *conn)
            .await?;
    let hash_format = hash_format.map(|(format,)| format);
    let current = i64::from(HASH_FORMAT);
    if hash_format != Some(current) {
        set(conn, "hash_format", current).await?;
    }
    lower_guard(conn).await?;
    Ok(Migrated {
        rehash: hash_format.is_some_and(|format| format != current),
    })
}

async fn set(conn: &mut SqliteConnection, key: &'static str, value: i64) -> Result<(), DatabaseError> {
    sqlx::query("INSERT INTO ditto_sync_meta(key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(key)
        .bind(value)
        .execute(conn)
        .await?;
    Ok(())
}

/// Exactly one row, and nothing being applied. Belt and braces: the apply clears its mark before it commits.
async fn lower_guard(conn: &mut SqliteConnection) -> Result<(), DatabaseError> {
    for statement in [
        "INSERT INTO ditto_sync_guard(one, active) SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM ditto_sync_guard)",
        "UPDATE ditto_sync_guard SET active = 0 WHERE active <> 0",
    ] {
        sqlx::query(statement).execute(&mut *conn).await?;
    }
    Ok(())
}
