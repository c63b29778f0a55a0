//! The tables as SQL sees them: copying the schema, and comparing row by row.

use std::path::Path;

use ditto_sync::SqliteRepository;
use sqlx::{Row, SqlitePool};

use crate::Outcome;

/// Every table, with its key.
pub(crate) const TABLES: [(&str, &str); 11] = [
    ("Album", "AlbumId"),
    ("Artist", "ArtistId"),
    ("Customer", "CustomerId"),
    ("Employee", "EmployeeId"),
    ("Genre", "GenreId"),
    ("Invoice", "InvoiceId"),
    ("InvoiceLine", "InvoiceLineId"),
    ("MediaType", "MediaTypeId"),
    ("Playlist", "PlaylistId"),
    ("PlaylistTrack", "PlaylistId, TrackId"),
    ("Track", "TrackId"),
];

/// Creates an empty database at `path` with the tables and indexes of `original`.
pub(crate) async fn copy_schema(original: &SqlitePool, path: &Path) -> Outcome<()> {
    let select = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index') \
                  AND name NOT LIKE 'ditto_sync_%' AND tbl_name NOT LIKE 'ditto_sync_%'";
    let statements: Vec<String> = sqlx::query_scalar(select).fetch_all(original).await?;
    let pool = SqlitePool::connect_with(SqliteRepository::connect_options(path)).await?;
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&pool)
            .await?;
    }
    pool.close().await;
    Ok(())
}

/// How many rows there are in all tables.
pub(crate) async fn count(pool: &SqlitePool) -> Outcome<i64> {
    let counts: Vec<_> = TABLES
        .iter()
        .map(|(table, _)| format!("(SELECT count(*) FROM \"{table}\")"))
        .collect();
    let select = format!("SELECT {}", counts.join(" + "));
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(select))
        .fetch_one(pool)
        .await?)
}

/// The tables whose rows are not the same on both sides.
pub(crate) async fn differing(left: &SqlitePool, right: &SqlitePool) -> Outcome<Vec<&'static str>> {
    let mut differing = Vec::new();
    for (table, key) in TABLES {
        if rows(left, table, key).await? != rows(right, table, key).await? {
            differing.push(table);
        }
    }
    Ok(differing)
}

/// Compares every table row by row; how many rows there are.
pub(crate) async fn compare_all(left: &SqlitePool, right: &SqlitePool) -> Outcome<usize> {
    let mut count = 0;
    for (table, key) in TABLES {
        let (ours, theirs) = (rows(left, table, key).await?, rows(right, table, key).await?);
        if let Some(at) = (0..ours.len().max(theirs.len())).find(|&at| ours.get(at) != theirs.get(at)) {
            return Err(format!(
                "{table} differs: {:?} on the left, {:?} on the right",
                ours.get(at),
                theirs.get(at)
            )
            .into());
        }
        println!("{table:<14} {:>6} rows, the same on both sides", ours.len());
        count += ours.len();
    }
    Ok(count)
}

/// Every row, with each value written as a SQL literal: type and value are compared exactly.
async fn rows(pool: &SqlitePool, table: &str, key: &str) -> Outcome<Vec<String>> {
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
        .bind(table)
        .fetch_all(pool)
        .await?;
    let literals: Vec<_> = columns
        .iter()
        .map(|column| format!("quote(\"{column}\")"))
        .collect();
    let select = format!(
        "SELECT {} FROM \"{table}\" ORDER BY {key}",
        literals.join(" || ', ' || ")
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(pool).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
