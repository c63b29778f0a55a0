//! The rows of the app's tables as they are now, for people to look at: [`rows`], [`select`]. Reads on a connection of its own, beside whatever the
//! coordinator does, and changes nothing.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    id::DocumentId,
    live::{ReadRow, RowUnreadable},
    query::{Query, Sql},
    repository::RepositoryError,
};

use crate::{
    connection::Reader,
    draft::read_row,
    native::Native,
    outbox::{EntryKey, canonical, read_image, read_key},
    state::{Fault, ModelSql, SLICE_ROWS, Session, on_native},
};

const ACTION: &str = "read rows for a listener";

/// The rows of these ids, in that order.
pub(crate) async fn rows(
    session: &Session,
    viewer: &Reader,
    (model, ids): (&'static ModelDescriptor, &[DocumentId]),
) -> Result<Vec<Option<ReadRow>>, RepositoryError> {
    let sql = &session.models()[session.position(model)?];
    let mut rows = Vec::with_capacity(ids.len());
    let mut transaction = viewer.begin(ACTION).await?;
    for slice in ids.chunks(SLICE_ROWS) {
        on_native(&mut transaction, ACTION, |native| {
            let mut select = native.prepare(&sql.select_row)?;
            for id in slice {
                rows.push(match model.id_to_columns(id) {
                    // No row has a key that its fields would not write.
                    Err(_) => None,
                    Ok(key) => match read_row(&mut select, sql, &key)? {
                        Ok(row) => row.map(Ok),
                        Err(reason) => Some(Err(RowUnreadable(reason))),
                    },
                });
            }
            Ok(())
        })
        .await?;
        tokio::task::yield_now().await;
    }
    transaction.rollback().await?;
    Ok(rows)
}

/// The rows that match, in key order.
pub(crate) async fn select(
    session: &Session,
    viewer: &Reader,
    (model, query): (&'static ModelDescriptor, &Query),
) -> Result<Vec<(DocumentId, ReadRow)>, RepositoryError> {
    let sql = &session.models()[session.position(model)?];
    let (condition, is_exact) = match query.to_sql(model) {
        Ok(condition) => (condition, true),
        // Then every row is read, and its document asked.
        Err(error) if error.is_about_columns() => {
            (Query::all().to_sql(model).map_err(|error| unfit(&error))?, false)
        }
        Err(error) => return Err(unfit(&error)),
    };
    let selection = Selection {
        first: sql.select_where(&condition.clause, false),
        next: sql.select_where(&condition.clause, true),
        condition,
        sql,
    };
    let mut found = Vec::new();
    let mut after = Some(Vec::new());
    let mut transaction = viewer.begin(ACTION).await?;
    while let Some(key) = after {
        after = on_native(&mut transaction, ACTION, |native| {
            selection.slice(native, &key, |id, row| {
                if is_exact || matches(model, query, (&id, &row)) {
                    found.push((id, row));
                }
            })
        })
        .await?;
        tokio::task::yield_now().await;
    }
    transaction.rollback().await?;
    Ok(found)
}

/// Statements for the rows that match a condition.
struct Selection<'a> {
    first: String,
    next: String,
    condition: Sql,
    sql: &'a ModelSql,
}

impl Selection<'_> {
    /// Shows the rows behind `after` (empty: from the start); where to go on.
    fn slice(
        &self,
        native: &Native<'_>,
        after: &[ColumnValue],
        mut show: impl FnMut(DocumentId, ReadRow),
    ) -> Result<Option<Vec<ColumnValue>>, Fault> {
        let statement = if after.is_empty() { &self.first } else { &self.next };
        let mut rows = native.prepare(statement)?;
        let limit = ColumnValue::Integer(i64::try_from(SLICE_ROWS).expect("a slice is small"));
        let arguments = self.condition.arguments.iter();
        rows.bind_all(arguments.chain(after).chain([&limit]))?;
        let (mut read, mut last) = (0, None);
        while rows.step()? {
            read += 1;
            if let EntryKey::Id(id, key) = read_key(&rows, self.sql, 0)? {
                show(id, read_row_at(&rows, self.sql)?);
                last = Some(key);
            } else {
                last = key_at(&rows, self.sql).or(last);
            }
        }
        Ok(last.filter(|_| read == SLICE_ROWS))
    }
}

fn read_row_at(rows: &crate::native::Statement<'_>, sql: &ModelSql) -> Result<ReadRow, Fault> {
    let image: Result<Image, String> = canonical(sql, read_image(rows, sql, sql.keys()))?;
    Ok(image.map_err(RowUnreadable))
}

/// The raw key of a row that has no id, to go on behind it; `None` where it is text that nothing can read.
fn key_at(rows: &crate::native::Statement<'_>, sql: &ModelSql) -> Option<Vec<ColumnValue>> {
    (0..sql.keys()).map(|at| rows.column(at).ok()).collect()
}

fn matches(model: &ModelDescriptor, query: &Query, (id, row): (&DocumentId, &ReadRow)) -> bool {
    let document = row
        .as_ref()
        .ok()
        .and_then(|image| model.document_of(id, image).ok());
    document.is_none_or(|document| query.matches(&document))
}

fn unfit(error: &ditto_sync_core::query::QueryError) -> RepositoryError {
    RepositoryError::Unsupported(error.to_string())
}
