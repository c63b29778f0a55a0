//! The clean rows of a table for an audit: their digest, and the rows of single buckets. Changes nothing but what [`forget`] is told to.
//!
//! Not here: the comparison with the store, which the coordinator makes.

use std::collections::HashSet;

use ditto_sync_core::{
    audit::{AuditedRow, Digest, RowDigest, bucket_of},
    column::ColumnValue,
    descriptor::ModelDescriptor,
    hash::{ContentHash, IdHash},
    id::DocumentId,
    repository::{RepositoryError, RowRef},
};

use crate::{
    connection::{Durability, Reader, Writer},
    known::{KnownWrite, id_key},
    native::Native,
    outbox::{EntryKey, canonical, read_image, read_key},
    state::{Fault, Memory, ModelSql, SLICE_ROWS, Session, on_native},
};

const ACTION: &str = "compare the rows with what is known of them";

/// The sums of all rows that can be compared.
pub(crate) async fn digest(
    session: &Session,
    reader: &Reader,
    model: &'static ModelDescriptor,
    buckets: usize,
) -> Result<RowDigest, RepositoryError> {
    let mut digest = Digest::new(buckets);
    let mut rows = 0;
    let skipped = visit(session, reader, model, |row| {
        rows += 1;
        digest.add(IdHash::of(&row.id), row.hash);
    })
    .await?;
    Ok(RowDigest {
        digest,
        rows,
        skipped,
    })
}

/// The rows of the wanted buckets.
pub(crate) async fn audited(
    session: &Session,
    reader: &Reader,
    model: &'static ModelDescriptor,
    (wanted, buckets): (&HashSet<usize>, usize),
) -> Result<Vec<AuditedRow>, RepositoryError> {
    let mut rows = Vec::new();
    visit(session, reader, model, |row| {
        if wanted.contains(&bucket_of(IdHash::of(&row.id), buckets)) {
            rows.push(row);
        }
    })
    .await?;
    Ok(rows)
}

/// Forgets on what rows agreed with their documents, unless they are dirty.
pub(crate) async fn forget(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    rows: &[RowRef],
) -> Result<(), RepositoryError> {
    let mut memory = session.memory().await;
    session.load_known(reader, &mut memory, session.order()).await?;
    let transaction = session
        .begin(
            writer,
            &mut memory,
            ("forget what rows agreed on", Durability::Normal),
        )
        .await?;
    for row in rows {
        let model = session.position(row.model)?;
        let id = id_key(IdHash::of(&row.id));
        memory.models[model].vanished.remove(&id);
        if memory.models[model].outbox.get(id).is_none() && memory.known(model).get(id).is_some() {
            memory.write_known(KnownWrite {
                model,
                id,
                hash: None,
            });
        }
    }
    session.commit(transaction, &mut memory, ACTION).await
}

/// Shows every row that can be compared; the ids of what cannot.
async fn visit(
    session: &Session,
    reader: &Reader,
    model: &'static ModelDescriptor,
    mut show: impl FnMut(AuditedRow),
) -> Result<HashSet<IdHash>, RepositoryError> {
    let mut memory = session.memory().await;
    let model = session.position(model)?;
    let sql = &session.models()[model];
    session.load_known(reader, &mut memory, &[model]).await?;
    let mut transaction = reader.begin(ACTION).await?;
    // A document that waits has no row, or not the one it says: neither is a difference.
    let waiting = memory.models[model].troubles.inbound();
    let mut skipped: HashSet<_> = waiting.map(|id| IdHash::from_bytes(id.to_be_bytes())).collect();
    on_native(&mut transaction, ACTION, |native| {
        dirty(native, sql, &mut skipped)
    })
    .await?;
    let mut after = Some(Vec::new());
    while let Some(key) = after {
        after = on_native(&mut transaction, ACTION, |native| {
            slice(native, sql, &key, |id, row| {
                let hash = IdHash::of(&id);
                let Some(row) = comparable(&memory, (model, sql), (id, row), &skipped) else {
                    skipped.insert(hash);
                    return;
                };
                show(row);
            })
        })
        .await?;
        tokio::task::yield_now().await;
    }
    transaction.rollback().await?;
    Ok(skipped)
}

type ReadRow = Result<ditto_sync_core::column::Image, String>;

fn comparable(
    memory: &Memory,
    (model, sql): (usize, &ModelSql),
    (id, row): (DocumentId, ReadRow),
    skipped: &HashSet<IdHash>,
) -> Option<AuditedRow> {
    let key = id_key(IdHash::of(&id));
    let known = memory.known(model).get(key)?;
    if skipped.contains(&IdHash::of(&id)) {
        return None;
    }
    let image = row.ok()?;
    Some(AuditedRow {
        hash: ContentHash::of(sql.model, &image),
        id,
        image,
        known: Some(known),
    })
}

/// Ids with an outbox entry.
fn dirty(native: &Native<'_>, sql: &ModelSql, ids: &mut HashSet<IdHash>) -> Result<(), Fault> {
    let mut entries = native.prepare(&sql.outbox.entries_after)?;
    entries.bind_i64(1, i64::MIN)?;
    while entries.step()? {
        if let EntryKey::Id(id, _) = read_key(&entries, sql, 2)? {
            ids.insert(IdHash::of(&id));
        }
    }
    Ok(())
}

/// Shows the rows behind `after` (empty: from the start); where to go on.
fn slice(
    native: &Native<'_>,
    sql: &ModelSql,
    after: &[ColumnValue],
    mut show: impl FnMut(DocumentId, ReadRow),
) -> Result<Option<Vec<ColumnValue>>, Fault> {
    let mut rows = native.prepare(if after.is_empty() {
        &sql.first_rows
    } else {
        &sql.next_rows
    })?;
    rows.bind_i64(1, i64::try_from(SLICE_ROWS).expect("a slice is small"))?;
    for (at, column) in after.iter().enumerate() {
        rows.bind(2 + at, column)?;
    }
    let (mut read, mut last) = (0, None);
    while rows.step()? {
        read += 1;
        if let EntryKey::Id(id, key) = read_key(&rows, sql, 0)? {
            let row = canonical(sql, read_image(&rows, sql, sql.keys()))?;
            show(id, row);
            last = Some(key);
        }
    }
    Ok(last.filter(|_| read == SLICE_ROWS))
}
