//! What people ask: the quarantine, the conflicts, and all that is known of one row. Nothing is changed.
//!
//! Not here: what the coordinator asks for its own work (`inspect`).

use std::time::{Duration, SystemTime};

use ditto_sync_core::{
    column::ColumnValue,
    explain::{ConflictReport, RowTrace, TracedEntry},
    hash::IdHash,
    id::DocumentId,
    intent::OutboxSeq,
    merge::Conflict,
    quarantine::{Content, QuarantineRecord},
    repository::{RepositoryError, RowRef, Way},
};

use crate::{
    codec::{self, RawRecord, RowName},
    connection::Reader,
    known::id_key,
    layout::kind,
    native::{Native, NativeError, Statement},
    outbox::INSERT_OVER,
    quarantine::{IGNORED, kind_of, row_name, way_number},
    state::{Fault, ModelSql, Session, on_native},
};

/// Everything in quarantine, oldest first.
pub(crate) async fn quarantine(
    session: &Session,
    reader: &Reader,
) -> Result<Vec<QuarantineRecord>, RepositoryError> {
    const ACTION: &str = "list the quarantine";
    let mut transaction = reader.begin(ACTION).await?;
    let mut records = on_native(&mut transaction, ACTION, |native| {
        let mut all = Vec::new();
        for sql in session.models() {
            all.append(&mut records_of(native, sql, None)?);
        }
        Ok(all)
    })
    .await?;
    transaction.rollback().await?;
    records.sort_by_key(|record| record.since);
    Ok(records)
}

/// The conflicts that are kept, oldest first.
pub(crate) async fn conflicts(
    session: &Session,
    reader: &Reader,
) -> Result<Vec<ConflictReport>, RepositoryError> {
    const ACTION: &str = "list the conflicts";
    let mut transaction = reader.begin(ACTION).await?;
    let mut conflicts = on_native(&mut transaction, ACTION, |native| {
        let mut all = Vec::new();
        for sql in session.models() {
            all.append(&mut conflicts_of(native, sql, None)?);
        }
        Ok(all)
    })
    .await?;
    transaction.rollback().await?;
    conflicts.sort_by_key(|(number, _)| *number);
    Ok(conflicts.into_iter().map(|(_, report)| report).collect())
}

/// All that is kept about one row.
pub(crate) async fn trace(
    session: &Session,
    reader: &Reader,
    row: &RowRef,
) -> Result<RowTrace, RepositoryError> {
    const ACTION: &str = "look at a row";
    let mut memory = session.memory().await;
    let model = session.position(row.model)?;
    let sql = &session.models()[model];
    session.load_known(reader, &mut memory, &[model]).await?;
    let mut transaction = reader.begin(ACTION).await?;
    let mut trace = on_native(&mut transaction, ACTION, |native| {
        let conflicts = conflicts_of(native, sql, Some(&row.id))?;
        Ok(RowTrace {
            exists: exists(native, sql, &row.id)?,
            entries: entries(native, sql, &row.id)?,
            parked: parked(native, sql, &row.id)?,
            quarantined: records_of(native, sql, Some(&row.id))?,
            ignored: ignored(native, sql, &row.id)?,
            conflicts: conflicts.into_iter().map(|(_, report)| report).collect(),
            ..RowTrace::default()
        })
    })
    .await?;
    transaction.rollback().await?;
    let id = id_key(IdHash::of(&row.id));
    trace.known = memory.known(model).get(id);
    let of_model = &memory.models[model];
    let unmet = trace.known.is_none() && trace.entries.is_empty() && of_model.seeding.local.contains(&id);
    trace.local = trace.exists && (unmet || of_model.outbox.is_local(id));
    Ok(trace)
}

fn records_of(
    native: &Native<'_>,
    sql: &ModelSql,
    id: Option<&DocumentId>,
) -> Result<Vec<QuarantineRecord>, Fault> {
    let this = if id.is_some() { "AND id = ?2" } else { "" };
    let mut select = native.prepare(&format!(
        "SELECT id, way, reason, raw, attempts, since FROM main.ditto_sync_quarantine
         WHERE model = ?1 AND way < {IGNORED} {this} ORDER BY since"
    ))?;
    bind_row(&mut select, sql, id)?;
    let mut records = Vec::new();
    while select.step()? {
        let name: RowName = codec::decode(select.column_blob(0)?)?;
        let content = match codec::decode(select.column_blob(3)?)? {
            RawRecord::Inbound(document) => Content::Document(document),
            RawRecord::InboundColumns(columns) => Content::Document(Some(document_of(sql, &name, &columns))),
            RawRecord::Outbound { .. } => row_content(native, sql, &name)?,
        };
        let way = if select.column_i64(1) == way_number(Way::Inbound) {
            Way::Inbound
        } else {
            Way::Outbound
        };
        records.push(QuarantineRecord {
            model: sql.model,
            id: match name {
                RowName::Id(id) => Some(id),
                RowName::Columns(_) => None,
            },
            way,
            reason: select.column_text(2)?.to_owned(),
            content,
            attempts: select.column_i64(4).unsigned_abs(),
            since: time(select.column_i64(5)),
        });
    }
    Ok(records)
}

/// A document of which the mapped fields are kept. It could be read, so they convert back.
fn document_of(
    sql: &ModelSql,
    name: &RowName,
    columns: &[ColumnValue],
) -> ditto_sync_core::document::Document {
    let fields = sql.model.fields().iter().zip(columns);
    let mut document: ditto_sync_core::document::Document = fields
        .filter_map(|(field, column)| Some((field.document_name(), field.to_value(column).ok()?)))
        .collect();
    if let RowName::Id(id) = name {
        for (field, part) in sql.model.id_fields().iter().zip(id.parts()) {
            document.set(field.document_name(), part.to_value());
        }
        if let Some(anchor) = sql.model.anchor() {
            document.set(anchor, id.to_value());
        }
    }
    document
}

/// The row as it is now. A table that is gone has none.
fn row_content(native: &Native<'_>, sql: &ModelSql, name: &RowName) -> Result<Content, Fault> {
    let key = match name {
        RowName::Columns(columns) => columns.clone(),
        RowName::Id(id) => match sql.model.id_to_columns(id) {
            Ok(key) => key,
            Err(_) => id
                .parts()
                .iter()
                .map(|part| ColumnValue::Text(format!("{part:?}")))
                .collect(),
        },
    };
    let columns = match native.prepare(&sql.select_row) {
        Ok(mut select) => {
            select.bind_all(&key)?;
            if select.step()? {
                Some(
                    (0..sql.columns())
                        .map(|at| raw_column(&select, at))
                        .collect::<Result<_, _>>()?,
                )
            } else {
                None
            }
        }
        Err(error) if error.code() == Some(libsqlite3_sys::SQLITE_ERROR) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Content::Row { key, columns })
}

/// A column, as bytes where it holds text that is none.
fn raw_column(row: &Statement<'_>, at: usize) -> Result<ColumnValue, NativeError> {
    match row.column(at) {
        Err(NativeError::InvalidText { .. }) => Ok(ColumnValue::Blob(row.column_blob(at)?.to_vec())),
        other => other,
    }
}

fn conflicts_of(
    native: &Native<'_>,
    sql: &ModelSql,
    id: Option<&DocumentId>,
) -> Result<Vec<(i64, ConflictReport)>, Fault> {
    let this = if id.is_some() { "AND id = ?2" } else { "" };
    let mut select = native.prepare(&format!(
        "SELECT no, id, at, kind, fields FROM main.ditto_sync_conflicts WHERE model = ?1 {this} ORDER BY no"
    ))?;
    bind_row(&mut select, sql, id)?;
    let mut conflicts = Vec::new();
    while select.step()? {
        let RowName::Id(id) = codec::decode(select.column_blob(1)?)? else {
            continue;
        };
        let Some(kind) = kind_of(select.column_i64(3)) else {
            continue;
        };
        let conflict = Conflict {
            collection: sql.model.collection(),
            id,
            kind,
            fields: codec::decode_conflict_fields(select.column_blob(4)?, sql.model)?,
        };
        let at = time(select.column_i64(2));
        conflicts.push((select.column_i64(0), ConflictReport { at, conflict }));
    }
    Ok(conflicts)
}

fn exists(native: &Native<'_>, sql: &ModelSql, id: &DocumentId) -> Result<bool, Fault> {
    let Ok(key) = sql.model.id_to_columns(id) else {
        return Ok(false);
    };
    match native.prepare(&sql.select_row) {
        Ok(mut select) => {
            select.bind_all(&key)?;
            Ok(select.step()?)
        }
        Err(error) if error.code() == Some(libsqlite3_sys::SQLITE_ERROR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn entries(native: &Native<'_>, sql: &ModelSql, id: &DocumentId) -> Result<Vec<TracedEntry>, Fault> {
    let Ok(key) = sql.model.id_to_columns(id) else {
        return Ok(Vec::new());
    };
    let this: Vec<_> = (0..key.len()).map(|at| format!("k{at} = ?{}", at + 1)).collect();
    let mut select = native.prepare(&format!(
        "SELECT seq, kind FROM {} WHERE {} ORDER BY seq",
        sql.outbox.table,
        this.join(" AND ")
    ))?;
    select.bind_all(&key)?;
    let mut entries = Vec::new();
    while select.step()? {
        let change = match select.column_text(1)? {
            kind::INSERT => "insert",
            INSERT_OVER => "insert over a document",
            kind::UPDATE => "update",
            kind::REPLACE => "replace",
            _ => "delete",
        };
        entries.push(TracedEntry {
            seq: OutboxSeq(select.column_i64(0)),
            change,
        });
    }
    Ok(entries)
}

fn parked(
    native: &Native<'_>,
    sql: &ModelSql,
    id: &DocumentId,
) -> Result<Option<(SystemTime, String)>, Fault> {
    let mut select =
        native.prepare("SELECT since, reason FROM main.ditto_sync_parked WHERE model = ?1 AND id = ?2")?;
    bind_row(&mut select, sql, Some(id))?;
    if !select.step()? {
        return Ok(None);
    }
    Ok(Some((
        time(select.column_i64(0)),
        select.column_text(1)?.to_owned(),
    )))
}

fn ignored(native: &Native<'_>, sql: &ModelSql, id: &DocumentId) -> Result<Option<SystemTime>, Fault> {
    let mut select = native.prepare(&format!(
        "SELECT since FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {IGNORED}"
    ))?;
    bind_row(&mut select, sql, Some(id))?;
    Ok(select.step()?.then(|| time(select.column_i64(0))))
}

fn bind_row(select: &mut Statement<'_>, sql: &ModelSql, id: Option<&DocumentId>) -> Result<(), NativeError> {
    select.bind_i64(1, sql.number)?;
    match id {
        Some(id) => select.bind_blob(2, &row_name(id)),
        None => Ok(()),
    }
}

/// From milliseconds since 1970.
fn time(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}
