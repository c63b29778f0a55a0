//! Gives each model its number and its two tables, and brings those along when the model changes.

use std::collections::HashSet;

use ditto_sync_core::{column::ColumnValue, descriptor::ModelDescriptor, repository::Finding};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{ModelLayout, PREFIX, known_ddl, numbered, outbox_ddl};
use crate::{
    capture,
    error::DatabaseError,
    schema::{
        TableShape,
        identifier::{quoted_list, same_name, unquoted_list},
    },
};

/// What came of a registration.
#[derive(Debug)]
pub(crate) enum Registered {
    Ready(Box<ModelLayout>),
    /// The model changed in a way that its unsent changes do not survive.
    Refused(Finding),
}

#[derive(Debug)]
struct StoredModel {
    number: i64,
    table: Option<String>,
    collection: String,
    layout: String,
    fingerprint: String,
}

/// Finds or creates the bookkeeping of `model`, whose table looks like `shape`. `collections` are those of all models of this start: a model
/// that is stored under another name, and whose name is not among them, was renamed.
pub(crate) async fn register(
    conn: &mut SqliteConnection,
    model: &'static ModelDescriptor,
    shape: TableShape,
    collections: &HashSet<&str>,
) -> Result<Registered, DatabaseError> {
    let Some(stored) = find(conn, model, &shape, collections).await? else {
        detach_others(conn, &shape, 0).await?;
        return create(conn, model, shape)
            .await
            .map(|layout| Registered::Ready(Box::new(layout)));
    };
    detach_others(conn, &shape, stored.number).await?;
    let mut layout = ModelLayout::new(stored.number, model, shape);
    make_known_a_log(conn, &layout).await?;
    let pending = pending(conn, &layout).await?;
    let other_table = points_elsewhere(conn, &stored, &layout).await?;
    let other_id = stored_names(&stored).0 != id_names(model);
    if pending > 0 && (other_table || other_id) {
        return Ok(Registered::Refused(refusal(
            &layout,
            &stored,
            pending,
            other_table,
        )));
    }
    if other_table || other_id || stored.collection != model.collection() {
        forget_agreement(conn, &layout).await?;
    }
    if stored.layout != layout_text(model) {
        capture::remove(conn, stored.number).await?;
        rebuild_outbox(conn, &layout, &stored, pending).await?;
    }
    let (_, before) = stored_names(&stored);
    layout.new_fields = (0..model.fields().len())
        .filter(|&at| {
            !before
                .iter()
                .any(|name| name == model.fields()[at].document_name())
        })
        .collect();
    layout.rehash = stored.fingerprint != fingerprint(model);
    update(conn, &layout, &stored).await?;
    Ok(Registered::Ready(Box::new(layout)))
}

async fn find(
    conn: &mut SqliteConnection,
    model: &'static ModelDescriptor,
    shape: &TableShape,
    collections: &HashSet<&str>,
) -> Result<Option<StoredModel>, DatabaseError> {
    let rows: Vec<(i64, Option<String>, String, String, String)> = sqlx::query_as(
        "SELECT no, tbl, collection, layout, fingerprint FROM ditto_sync_models
         WHERE collection = ?1 OR tbl = ?2 COLLATE NOCASE ORDER BY collection = ?1 DESC",
    )
    .bind(model.collection())
    .bind(&shape.name)
    .fetch_all(conn)
    .await?;
    let stored = rows
        .into_iter()
        .map(|(number, table, collection, layout, fingerprint)| StoredModel {
            number,
            table,
            collection,
            layout,
            fingerprint,
        });
    Ok(stored.into_iter().find(|stored| {
        stored.collection == model.collection() || !collections.contains(stored.collection.as_str())
    }))
}

/// Another model had this table. It has lost it: its triggers must not go on to write its outbox.
async fn detach_others(
    conn: &mut SqliteConnection,
    shape: &TableShape,
    number: i64,
) -> Result<(), DatabaseError> {
    let others: Vec<(i64,)> =
        sqlx::query_as("SELECT no FROM ditto_sync_models WHERE tbl = ?1 COLLATE NOCASE AND no <> ?2")
            .bind(&shape.name)
            .bind(number)
            .fetch_all(&mut *conn)
            .await?;
    for (other,) in others {
        capture::remove(conn, other).await?;
        sqlx::query("UPDATE ditto_sync_models SET tbl = NULL WHERE no = ?1")
            .bind(other)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn create(
    conn: &mut SqliteConnection,
    model: &'static ModelDescriptor,
    shape: TableShape,
) -> Result<ModelLayout, DatabaseError> {
    let (number,): (i64,) = sqlx::query_as(
        "INSERT INTO ditto_sync_models(tbl, collection, layout, fingerprint) VALUES (?1, ?2, ?3, ?4) RETURNING no",
    )
    .bind(&shape.name)
    .bind(model.collection())
    .bind(layout_text(model))
    .bind(fingerprint(model))
    .fetch_one(&mut *conn)
    .await?;
    let mut layout = ModelLayout::new(number, model, shape);
    layout.created = true;
    execute(
        conn,
        outbox_ddl(&layout.outbox, model.id_fields().len(), model.fields().len()),
    )
    .await?;
    execute(conn, known_ddl(&layout.known)).await?;
    Ok(layout)
}

/// In the first format the known set was a table sorted by id. Its rows become chunks of one entry.
async fn make_known_a_log(conn: &mut SqliteConnection, layout: &ModelLayout) -> Result<(), DatabaseError> {
    let (sorted,): (i64,) = sqlx::query_as("SELECT count(*) FROM pragma_table_info(?1) WHERE name = 'hash'")
        .bind(format!("{PREFIX}known_{}", layout.number))
        .fetch_one(&mut *conn)
        .await?;
    if sorted == 0 {
        return Ok(());
    }
    let former = format!("\"{PREFIX}known_former\"");
    execute(conn, format!("ALTER TABLE {} RENAME TO {former}", layout.known)).await?;
    execute(conn, known_ddl(&layout.known)).await?;
    let copy = format!(
        "INSERT INTO {}(entries) SELECT CAST(id || hash AS BLOB) FROM {former}",
        layout.known
    );
    execute(conn, copy).await?;
    execute(conn, format!("DROP TABLE {former}")).await
}

async fn pending(conn: &mut SqliteConnection, layout: &ModelLayout) -> Result<i64, DatabaseError> {
    let sql = format!("SELECT count(*) FROM {}", layout.outbox);
    let (pending,): (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(conn).await?;
    Ok(pending)
}

/// Whether the model was mapped to another table, which a renamed one is not.
async fn points_elsewhere(
    conn: &mut SqliteConnection,
    stored: &StoredModel,
    layout: &ModelLayout,
) -> Result<bool, DatabaseError> {
    match &stored.table {
        Some(table) if same_name(table, &layout.shape.name) => Ok(false),
        Some(table) => {
            let (exists,): (bool,) = sqlx::query_as(
                "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)",
            )
            .bind(table)
            .fetch_one(conn)
            .await?;
            Ok(exists)
        }
        None => Ok(true),
    }
}

fn refusal(layout: &ModelLayout, stored: &StoredModel, pending: i64, other_table: bool) -> Finding {
    let problem = if other_table {
        let table = stored.table.as_deref().unwrap_or("another table");
        format!(
            "`{}` was mapped to `{table}`, and {pending} changes of that are not sent yet",
            stored.collection
        )
    } else {
        format!("the id fields changed, and {pending} changes under the old ids are not sent yet")
    };
    Finding {
        table: layout.shape.name.clone(),
        column: None,
        problem,
        remedy: "start once with the model as it was, until everything is sent".to_owned(),
    }
}

/// Nothing is agreed with the documents any more: they are others.
async fn forget_agreement(conn: &mut SqliteConnection, layout: &ModelLayout) -> Result<(), DatabaseError> {
    execute(conn, format!("DELETE FROM {}", layout.known)).await?;
    sqlx::query("UPDATE ditto_sync_models SET cursor = NULL, reconciled = NULL, seeded = 0 WHERE no = ?1")
        .bind(layout.number)
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes the outbox anew with the columns of the model as it is now, and carries the entries over. Where an entry knows nothing of a field, the row's
/// present value stands for the old one: the field counts as unchanged. Where the row is gone too, the default does.
async fn rebuild_outbox(
    conn: &mut SqliteConnection,
    layout: &ModelLayout,
    stored: &StoredModel,
    pending: i64,
) -> Result<(), DatabaseError> {
    let ddl = |table: &str| outbox_ddl(table, layout.id_columns.len(), layout.columns.len());
    if pending == 0 {
        execute(conn, format!("DROP TABLE {}", layout.outbox)).await?;
        return execute(conn, ddl(&layout.outbox)).await;
    }
    let next = format!("\"{PREFIX}outbox_next\"");
    execute(conn, ddl(&next)).await?;
    let (_, old) = stored_names(stored);
    let mut values = numbered(layout.id_columns.len(), 0);
    let mut defaults = Vec::new();
    for (field, column) in layout.model.fields().iter().zip(&layout.columns) {
        match old.iter().position(|name| name == field.document_name()) {
            Some(at) => values.push(format!("c{at}")),
            None => {
                defaults.push(field.missing().unwrap_or_default());
                values.push(format!(
                    "CASE kind WHEN 'I' THEN NULL ELSE coalesce((SELECT r.{column} FROM {} AS r WHERE {}), ?{}) END",
                    layout.table,
                    row_of_entry(layout),
                    defaults.len(),
                ));
            }
        }
    }
    let copy = format!(
        "INSERT INTO {next}(seq, kind, {}) SELECT seq, kind, {} FROM {} AS o",
        layout.outbox_columns(),
        values.join(", "),
        layout.outbox
    );
    let copy = defaults.into_iter().fold(sqlx::query(AssertSqlSafe(copy)), bind);
    copy.execute(&mut *conn).await?;
    execute(conn, format!("DROP TABLE {}", layout.outbox)).await?;
    execute(conn, format!("ALTER TABLE {next} RENAME TO {}", layout.outbox)).await
}

fn row_of_entry(layout: &ModelLayout) -> String {
    let ids = layout.id_columns.iter().enumerate();
    ids.map(|(at, id)| format!("r.{id} = o.k{at}"))
        .collect::<Vec<_>>()
        .join(" AND ")
}

type SqliteQuery<'a> = Query<'a, Sqlite, SqliteArguments>;

fn bind(query: SqliteQuery<'_>, value: ColumnValue) -> SqliteQuery<'_> {
    match value {
        ColumnValue::Null => query.bind(None::<i64>),
        ColumnValue::Integer(integer) => query.bind(integer),
        ColumnValue::Real(real) => query.bind(real),
        ColumnValue::Text(text) => query.bind(text),
        ColumnValue::Blob(blob) => query.bind(blob),
    }
}

async fn update(
    conn: &mut SqliteConnection,
    layout: &ModelLayout,
    stored: &StoredModel,
) -> Result<(), DatabaseError> {
    let (text, fingerprint) = (layout_text(layout.model), fingerprint(layout.model));
    let same_table = stored.table.as_deref() == Some(layout.shape.name.as_str());
    if same_table
        && stored.collection == layout.model.collection()
        && (&stored.layout, &stored.fingerprint) == (&text, &fingerprint)
    {
        return Ok(());
    }
    sqlx::query(
        "UPDATE ditto_sync_models SET tbl = ?2, collection = ?3, layout = ?4, fingerprint = ?5 WHERE no = ?1",
    )
    .bind(layout.number)
    .bind(&layout.shape.name)
    .bind(layout.model.collection())
    .bind(text)
    .bind(fingerprint)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which field each outbox column belongs to: the number of id fields, then all of them by document name, so that renaming a column changes nothing.
fn layout_text(model: &ModelDescriptor) -> String {
    let ids = id_names(model);
    let fields = model.fields().iter();
    let fields = fields.map(|field| field.document_name());
    format!(
        "{} {}",
        ids.len(),
        quoted_list(ids.iter().map(String::as_str).chain(fields))
    )
}

/// What [`layout_text`] put together.
fn stored_names(stored: &StoredModel) -> (Vec<String>, Vec<String>) {
    let (ids, names) = stored.layout.split_once(' ').unwrap_or_default();
    let mut names = unquoted_list(names);
    let ids = ids.parse().unwrap_or(0).min(names.len());
    let fields = names.split_off(ids);
    (names, fields)
}

/// What the ids are made of.
fn id_names(model: &ModelDescriptor) -> Vec<String> {
    let ids = model.id_fields().iter();
    ids.map(|field| format!("{} {:?}", field.document_name(), field.kind()))
        .collect()
}

/// All that goes into a content hash beside the values: known hashes of another fingerprint have to be made again.
fn fingerprint(model: &ModelDescriptor) -> String {
    let fields = model.hash_order().iter().map(|&at| &model.fields()[at]);
    let fields: Vec<_> = fields
        .filter(|field| !field.is_volatile())
        .map(|field| {
            let (kind, storage) = (field.kind(), field.storage_class());
            format!(
                "{} {kind:?} {storage:?} {}",
                quoted_list([field.document_name()]),
                field.is_nullable()
            )
        })
        .collect();
    fields.join(", ")
}

async fn execute(conn: &mut SqliteConnection, sql: String) -> Result<(), DatabaseError> {
    sqlx::query(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}
