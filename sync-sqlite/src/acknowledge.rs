//! How an intent ends: [`acknowledge`] when the store has applied it, [`discard`] when it refused it.
//!
//! Not here: what an operation records (`merge::outbound` has said so when it was drafted).

use ditto_sync_core::{
    hash::IdHash,
    intent::{Intent, Operation},
    merge::{RowState, leaves_scope},
    repository::{Acknowledged, Quarantined, RepositoryError, Way},
    scope::{ModelScope, Scopes},
};

use crate::{
    codec::{self, RawRecord},
    connection::{Durability, Reader, Writer},
    draft::read_row,
    known::{KnownWrite, content_key, id_key},
    native::Native,
    quarantine::{self, Record},
    scope,
    state::{Fault, Memory, SLICE_ROWS, Session, on_native},
};

/// Records that the store has applied the intent in flight.
pub(crate) async fn acknowledge(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    intent: &Intent,
    scopes: &Scopes,
) -> Result<Acknowledged, RepositoryError> {
    const ACTION: &str = "record that the store has applied a write";
    let mut memory = session.memory().await;
    let mut sent = place(session, intent)?;
    // Leaving rows: children before their parents.
    sent.sort_by_key(|sent| std::cmp::Reverse(session.rank(sent.model)));
    let models: Vec<_> = (0..session.models().len()).collect();
    session.load_known(reader, &mut memory, &models).await?;
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    if memory.persisted.in_flight != Some(intent.batch.sequence) {
        // Recorded by an earlier call that was cancelled after its commit. Once more would drop entries that are new.
        memory.end_unchanged(transaction).await?;
        return Ok(Acknowledged::default());
    }
    let mut acknowledged = Acknowledged::default();
    on_native(&mut transaction, ACTION, |native| {
        drop_covered(native, session, &mut memory, &sent)
    })
    .await?;
    for slice in sent.chunks(SLICE_ROWS) {
        acknowledged.left_scope += on_native(&mut transaction, ACTION, |native| {
            record(native, session, (&mut memory, scopes), slice)
        })
        .await?;
        tokio::task::yield_now().await;
    }
    on_native(&mut transaction, ACTION, |native| {
        memory.persisted.acknowledge_in_flight(native)
    })
    .await?;
    session.commit(transaction, &mut memory, ACTION).await?;
    Ok(acknowledged)
}

/// Forgets the intent in flight, which the store refused.
pub(crate) async fn discard(
    session: &Session,
    writer: &Writer,
    intent: &Intent,
    rejected: &[Quarantined],
) -> Result<(), RepositoryError> {
    const ACTION: &str = "forget a write that the store refused";
    let mut memory = session.memory().await;
    let sent = place(session, intent)?;
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    if memory.persisted.in_flight != Some(intent.batch.sequence) {
        return memory.end_unchanged(transaction).await;
    }
    on_native(&mut transaction, ACTION, |native| {
        memory.persisted.forget_in_flight(native)?;
        for refused in rejected {
            hold(native, session, &mut memory, (refused, &sent))?;
        }
        // Rows met by a seeding pass that were not taken are met again by the next one.
        for of_model in &mut memory.models {
            of_model.seeding = Default::default();
        }
        Ok(())
    })
    .await?;
    session.commit(transaction, &mut memory, ACTION).await
}

/// An operation, and where its row is.
struct Sent<'a> {
    operation: &'a Operation,
    model: usize,
    id: u128,
}

fn place<'a>(session: &Session, intent: &'a Intent) -> Result<Vec<Sent<'a>>, RepositoryError> {
    let operations = intent.operations.iter();
    operations
        .map(|operation| {
            Ok(Sent {
                operation,
                model: session.position(operation.model)?,
                id: id_key(IdHash::of(&operation.id)),
            })
        })
        .collect()
}

fn drop_covered(
    native: &Native<'_>,
    session: &Session,
    memory: &mut Memory,
    sent: &[Sent<'_>],
) -> Result<(), Fault> {
    for slice in sent.chunk_by(|one, other| one.model == other.model) {
        let model = slice[0].model;
        let covered = slice.iter().filter_map(|sent| {
            let upto = codec::covered(&sent.operation.record)?;
            Some((sent.id, Some(upto)))
        });
        let covered: Vec<_> = covered.collect();
        memory.models[model]
            .outbox
            .drop_all(native, &session.models()[model], &covered)?;
    }
    Ok(())
}

/// Stands for the row of a table that is gone.
const NO_ROW: &str = "SELECT 1 WHERE 0";

/// Records what was agreed on; how many rows left the scope.
fn record(
    native: &Native<'_>,
    session: &Session,
    (memory, scopes): (&mut Memory, &Scopes),
    slice: &[Sent<'_>],
) -> Result<usize, Fault> {
    let mut left = 0;
    for of_model in slice.chunk_by(|one, other| one.model == other.model) {
        let model = of_model[0].model;
        let sql = &session.models()[model];
        let usable = memory.models[model].unusable.is_none();
        let scoped = usable && matches!(scopes.of(sql.model), ModelScope::Matching(_));
        let mut leaving = Vec::new();
        let mut rows = native.prepare(if usable { &sql.select_row } else { NO_ROW })?;
        for sent in of_model {
            let hash = sent.operation.record.sent;
            memory.write_known(KnownWrite {
                model,
                id: sent.id,
                hash: hash.map(content_key),
            });
            memory.models[model]
                .troubles
                .clear_outbound(native, sql, &sent.operation.id)?;
            if !scoped || hash.is_none() || memory.models[model].outbox.get(sent.id).is_some() {
                continue;
            }
            let Ok(key) = sql.model.id_to_columns(&sent.operation.id) else {
                continue;
            };
            // A row that cannot be read any more stays: it is never removed on a guess.
            let row = read_row(&mut rows, sql, &key)?.unwrap_or_default();
            let in_scope = row
                .as_ref()
                .is_none_or(|row| scopes.admits_row(sql.model, &sent.operation.id, row));
            let state = RowState {
                row,
                pending: None,
                known: hash,
            };
            if leaves_scope(&state, in_scope) {
                leaving.push((sent.id, key));
            }
        }
        drop(rows);
        for (id, key) in leaving {
            left += usize::from(scope::leave(native, session, (memory, model), (id, &key))?);
        }
    }
    Ok(left)
}

/// Puts a refused row into the quarantine, until it changes again.
fn hold(
    native: &Native<'_>,
    session: &Session,
    memory: &mut Memory,
    (refused, sent): (&Quarantined, &[Sent<'_>]),
) -> Result<(), Fault> {
    let Some(id) = &refused.id else {
        return Ok(());
    };
    let key = id_key(IdHash::of(id));
    let found = sent
        .iter()
        .find(|sent| sent.id == key && sent.operation.model.collection() == refused.model.collection());
    let Some(sent) = found else {
        return Ok(());
    };
    let of_model = &mut memory.models[sent.model];
    // A seed of an older image covers no entry, but sending is not worth another try before the next change.
    let newest = of_model
        .outbox
        .get(key)
        .map_or(0, crate::outbox::RowEntries::last);
    let last = codec::covered(&sent.operation.record).unwrap_or(newest);
    let record = Record {
        name: &quarantine::row_name(id),
        way: Way::Outbound,
        reason: &refused.reason,
        raw: &RawRecord::Outbound { last },
        refused: true,
    };
    of_model
        .troubles
        .quarantine(native, &session.models()[sent.model], &record)?;
    Ok(())
}
