//! Reads the shape of a table from the database.

use sqlx::SqliteConnection;

use super::{
    Column, ForeignKey, KeyOrigin, TableKind, TableShape, UniqueColumn, UniqueKey, UserTrigger,
    affinity::Affinity,
};
use crate::error::DatabaseError;

/// The table, view or virtual table called `name` in the main database.
pub(crate) async fn inspect(
    conn: &mut SqliteConnection,
    name: &str,
) -> Result<Option<TableShape>, DatabaseError> {
    let listed: Option<(String, String, bool, bool)> = sqlx::query_as(
        "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE",
    )
    .bind(name)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((name, kind, without_rowid, strict)) = listed else {
        return Ok(None);
    };
    let kind = match kind.as_str() {
        "table" => TableKind::Table,
        "view" => TableKind::View,
        _ => TableKind::Virtual,
    };
    let columns = columns(conn, &name, strict).await?;
    let (mut unique_keys, expression_indexes) = unique_indexes(conn, &name).await?;
    unique_keys.extend(rowid_alias(&columns, &unique_keys, without_rowid));
    let foreign_keys = foreign_keys(conn, &name).await?;
    Ok(Some(TableShape {
        user_triggers: user_triggers(conn, &name).await?,
        name,
        kind,
        without_rowid,
        strict,
        columns,
        unique_keys,
        expression_indexes,
        foreign_keys,
    }))
}

async fn columns(
    conn: &mut SqliteConnection,
    table: &str,
    strict: bool,
) -> Result<Vec<Column>, DatabaseError> {
    let rows: Vec<(String, String, bool, bool, i64, i64)> = sqlx::query_as(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
    )
    .bind(table)
    .fetch_all(conn)
    .await?;
    let columns = rows.into_iter().map(
        |(name, declared, not_null, has_default, key_place, hidden)| Column {
            name,
            affinity: Affinity::of(&declared, strict),
            declared,
            not_null,
            has_default,
            // 1 is a hidden column of a virtual table, 2 and 3 are generated ones, virtual and stored.
            generated: hidden >= 2,
            key_place: usize::try_from(key_place).ok().filter(|&place| place > 0),
        },
    );
    Ok(columns.collect())
}

/// The unique indexes on plain columns, and the names of those on expressions.
async fn unique_indexes(
    conn: &mut SqliteConnection,
    table: &str,
) -> Result<(Vec<UniqueKey>, Vec<String>), DatabaseError> {
    let indexes: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT name, origin, partial FROM pragma_index_list(?1, 'main') WHERE \"unique\" ORDER BY seq",
    )
    .bind(table)
    .fetch_all(&mut *conn)
    .await?;
    let mut keys = Vec::new();
    let mut on_expressions = Vec::new();
    for (index, origin, partial) in indexes {
        let columns: Vec<(Option<String>, String)> =
            sqlx::query_as("SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno")
                .bind(&index)
                .fetch_all(&mut *conn)
                .await?;
        let columns: Option<Vec<_>> = columns
            .into_iter()
            .map(|(name, collation)| {
                Some(UniqueColumn {
                    name: name?,
                    collation,
                })
            })
            .collect();
        let origin = if origin == "pk" {
            KeyOrigin::PrimaryKey
        } else {
            KeyOrigin::Unique
        };
        match columns {
            Some(columns) => keys.push(UniqueKey {
                columns,
                partial,
                origin,
            }),
            None => on_expressions.push(index),
        }
    }
    Ok((keys, on_expressions))
}

/// A primary key without an index is a name of the rowid.
fn rowid_alias(columns: &[Column], unique_keys: &[UniqueKey], without_rowid: bool) -> Option<UniqueKey> {
    let has_index = unique_keys.iter().any(|key| key.origin == KeyOrigin::PrimaryKey);
    let mut key = columns.iter().filter(|column| column.key_place.is_some());
    match (key.next(), key.next()) {
        (Some(column), None) if !has_index && !without_rowid => Some(UniqueKey {
            columns: vec![UniqueColumn {
                name: column.name.clone(),
                collation: "BINARY".to_owned(),
            }],
            partial: false,
            origin: KeyOrigin::RowidAlias,
        }),
        _ => None,
    }
}

async fn foreign_keys(conn: &mut SqliteConnection, table: &str) -> Result<Vec<ForeignKey>, DatabaseError> {
    let rows: Vec<(i64, String, String, Option<String>)> = sqlx::query_as(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id, seq",
    )
    .bind(table)
    .fetch_all(conn)
    .await?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for (id, parent, from, to) in rows {
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let key = ForeignKey {
                parent,
                columns: Vec::new(),
                parent_columns: Vec::new(),
            };
            keys.push((id, key));
        }
        let (_, key) = keys.last_mut().expect("one was pushed if there was none");
        key.columns.push(from);
        key.parent_columns.extend(to);
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

async fn user_triggers(conn: &mut SqliteConnection, table: &str) -> Result<Vec<UserTrigger>, DatabaseError> {
    let rows: Vec<(String, bool, String)> = sqlx::query_as(
        "SELECT name, instr(lower(sql), 'ditto_sync_guard') > 0, sql FROM main.sqlite_schema
         WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name NOT LIKE 'ditto\\_sync\\_%' ESCAPE '\\'",
    )
    .bind(table)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(name, guarded, sql)| UserTrigger { name, guarded, sql })
        .collect())
}
