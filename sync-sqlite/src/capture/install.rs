//! Puts the triggers of a model in place, and notices when they were not.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::trigger::{self, Trigger};
use crate::{
    error::DatabaseError,
    layout::ModelLayout,
    schema::identifier::{quoted, same_name},
};

/// Creates or replaces the triggers of `layout`, in the caller's write transaction; writes nothing when all are as they should be. Sets
/// [`reinstalled`](ModelLayout::reinstalled) when changes of a model that we know already may have been missed.
pub(crate) async fn install(
    conn: &mut SqliteConnection,
    layout: &mut ModelLayout,
) -> Result<(), DatabaseError> {
    warn_about_limits(layout);
    let expected = trigger::all(layout);
    let found = found(conn, layout.number).await?;
    let in_place = found.len() == expected.len()
        && expected.iter().all(|trigger| {
            found
                .get(&trigger.name)
                .is_some_and(|found| found.is_on(&layout.shape.name) && found.sql == trigger.sql)
        });
    if in_place && fires_first(conn, layout, &found).await? {
        return Ok(());
    }
    layout.reinstalled = !in_place && !layout.created;
    remove(conn, layout.number).await?;
    for Trigger { sql, .. } in expected {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Drops the triggers of model `number`, wherever they are.
pub(crate) async fn remove(conn: &mut SqliteConnection, number: i64) -> Result<(), DatabaseError> {
    for name in found(conn, number).await?.into_keys() {
        let sql = format!("DROP TRIGGER {}", quoted(&name));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(())
}

fn warn_about_limits(layout: &ModelLayout) {
    let table = &layout.shape.name;
    for index in &layout.shape.expression_indexes {
        tracing::warn!(
            table,
            index,
            "rows that REPLACE removes for a unique index on an expression are captured only where recursive_triggers is on"
        );
    }
}

#[derive(Debug)]
struct Found {
    table: String,
    sql: String,
    place: i64,
}

impl Found {
    fn is_on(&self, table: &str) -> bool {
        same_name(&self.table, table)
    }
}

async fn found(conn: &mut SqliteConnection, number: i64) -> Result<HashMap<String, Found>, DatabaseError> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT name, tbl_name, sql, rowid FROM main.sqlite_schema WHERE type = 'trigger' AND substr(name, 1, length(?1)) = ?1",
    )
    .bind(trigger::prefix(number))
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(name, table, sql, place)| (name, Found { table, sql, place }))
        .collect())
}

/// Whether no trigger of the app is newer than ours. SQLite fires the newest first, and an AFTER INSERT trigger that writes the new row again should find
/// our entry of the insert in the outbox already.
async fn fires_first(
    conn: &mut SqliteConnection,
    layout: &ModelLayout,
    ours: &HashMap<String, Found>,
) -> Result<bool, DatabaseError> {
    let oldest = ours.values().map(|found| found.place).min().unwrap_or_default();
    let (newer,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND rowid > ?2
            AND name NOT LIKE 'ditto\\_sync\\_%' ESCAPE '\\')",
    )
    .bind(&layout.shape.name)
    .bind(oldest)
    .fetch_one(conn)
    .await?;
    Ok(!newer)
}
