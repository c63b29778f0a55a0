//! The same work written by hand: a prepared loop in rusqlite (the limit), sqlx with one query a row in a transaction (what people write first), and sqlx with
//! many rows to a statement (what the careful write).

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::SqliteRepository;
use rusqlite::Connection;
use sqlx::{ConnectOptions, Connection as _};

use crate::counters::{COLUMNS, Counter, SCHEMA, UPSERT};

/// Rows to a statement: the best size that was found.
const VALUES_ROWS: usize = 200;

/// A connection like the framework's: write-ahead log, `synchronous = NORMAL`, nothing else changed.
pub(crate) fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")
        .expect("is set up");
    connection
}

/// A database with the empty table.
pub(crate) fn create(path: &Path) -> Connection {
    let connection = open(path);
    connection.execute_batch(SCHEMA).expect("the table is made");
    connection
}

/// Writes all that is in the log into the database, so that the next measurement starts alike.
pub(crate) fn checkpoint(connection: &Connection) {
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("a checkpoint");
}

/// Reads everything once, so that no side begins with pages to read: what another connection has written empties SQLite's cache.
pub(crate) fn warm(connection: &Connection) {
    for sql in [
        "SELECT total(length(last_touched)) FROM counters",
        "SELECT total(length(id)) FROM counters",
    ] {
        let read = connection.query_row(sql, [], |row| row.get::<_, f64>(0));
        assert!(read.is_ok_and(|total| total > 0.0), "{sql}");
    }
}

/// Bare upserts in one transaction: what SQLite can do.
pub(crate) fn upsert(connection: &mut Connection, rows: &[Counter]) -> Duration {
    let started = Instant::now();
    let transaction = connection.transaction().expect("begins");
    let mut upsert = transaction.prepare(UPSERT).expect("prepares");
    for row in rows {
        row.run(&mut upsert);
    }
    drop(upsert);
    transaction.commit().expect("commits");
    started.elapsed()
}

/// One query a row.
pub(crate) async fn upsert_by_row(path: &Path, rows: &[Counter]) -> Duration {
    let mut connection = connect(path).await;
    let started = Instant::now();
    let mut transaction = connection.begin().await.expect("begins");
    for row in rows {
        row.bind(sqlx::query(UPSERT))
            .execute(&mut *transaction)
            .await
            .expect("an upsert");
    }
    transaction.commit().await.expect("commits");
    let time = started.elapsed();
    connection.close().await.expect("closes");
    time
}

/// Many rows to a statement.
pub(crate) async fn upsert_by_values(path: &Path, rows: &[Counter]) -> Duration {
    let mut connection = connect(path).await;
    let statement = values_upsert(VALUES_ROWS);
    let started = Instant::now();
    let mut transaction = connection.begin().await.expect("begins");
    let (chunks, rest) = rows.as_chunks::<VALUES_ROWS>();
    for chunk in chunks {
        let query = chunk.iter().fold(
            sqlx::query(sqlx::AssertSqlSafe(statement.as_str())),
            |query, row| row.bind(query),
        );
        query.execute(&mut *transaction).await.expect("an upsert");
    }
    if !rest.is_empty() {
        let statement = values_upsert(rest.len());
        let query = rest.iter().fold(
            sqlx::query(sqlx::AssertSqlSafe(statement.as_str())),
            |query, row| row.bind(query),
        );
        query.execute(&mut *transaction).await.expect("an upsert");
    }
    transaction.commit().await.expect("commits");
    let time = started.elapsed();
    connection.close().await.expect("closes");
    time
}

fn values_upsert(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS].join(", "));
    let one = UPSERT
        .split_once("VALUES (")
        .and_then(|(head, rest)| Some((head, rest.split_once(") ")?.1)));
    let (head, tail) = one.expect("an upsert");
    format!("{head}VALUES {} {tail}", vec![row; rows].join(", "))
}

async fn connect(path: &Path) -> sqlx::SqliteConnection {
    SqliteRepository::connect_options(path)
        .connect()
        .await
        .expect("connects")
}
