//! What documents would do to rows that exist ([`weigh`]), and rows that win over them ([`reject`]).
//!
//! Not here: how many are too many, which the coordinator decides.

use std::collections::HashSet;

use ditto_sync_core::{
    breaker::{self, Effect},
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    hash::IdHash,
    merge::{RowState, inbound},
    repository::{InboundItem, Incoming, Mark, RepositoryError, RowRef, Weighed},
    scope::Belongs,
};

use crate::{
    connection::{Durability, Reader, Writer},
    draft::read_row,
    known::{KnownWrite, content_key, id_key},
    layout::kind,
    native::Native,
    outbox::{self, NewEntry},
    state::{Fault, Memory, ModelSql, SLICE_ROWS, Session, on_native},
};

/// What an apply of these documents would do to rows that exist.
pub(crate) async fn weigh(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    model: &'static ModelDescriptor,
    items: &[&InboundItem],
) -> Result<Weighed, RepositoryError> {
    const ACTION: &str = "count the rows that documents would change";
    let mut memory = session.memory().await;
    let model = session.position(model)?;
    let sql = &session.models()[model];
    session.load_known(reader, &mut memory, session.order()).await?;
    let mut weighed = Weighed {
        rows: memory.known(model).len() as u64,
        effects: vec![Effect::Harmless; items.len()],
    };
    let in_doubt = |memory: &Memory| -> Vec<usize> {
        let weighing = Weighing { memory, model, sql };
        let harmless = |at: &usize| weighing.told_by_memory(items[*at]) == Some(Effect::Harmless);
        (0..items.len()).filter(|at| !harmless(at)).collect()
    };
    let asked = in_doubt(&memory);
    if asked.is_empty() {
        return Ok(weighed);
    }
    // Memory may not have seen the newest changes of the app. Inside a write transaction it has.
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    for slice in asked.chunks(SLICE_ROWS) {
        on_native(&mut transaction, ACTION, |native| {
            let memory = &*memory;
            let weighing = Weighing { memory, model, sql };
            for &at in slice {
                weighed.effects[at] = match weighing.told_by_memory(items[at]) {
                    Some(effect) => effect,
                    None => weighing.told_by_row(native, items[at])?,
                };
            }
            Ok(())
        })
        .await?;
        tokio::task::yield_now().await;
    }
    memory.end_unchanged(transaction).await?;
    Ok(weighed)
}

struct Weighing<'a> {
    memory: &'a Memory,
    model: usize,
    sql: &'a ModelSql,
}

impl Weighing<'_> {
    /// What memory alone tells; `None` when the row has to be read.
    fn told_by_memory(&self, item: &InboundItem) -> Option<Effect> {
        let remote = match &item.incoming {
            Incoming::Absent => None,
            Incoming::Present(remote) => Some(remote),
            Incoming::Unreadable { .. } => return Some(Effect::Harmless),
        };
        let id = id_key(IdHash::of(&item.id));
        let of_model = &self.memory.models[self.model];
        if of_model.troubles.concern_inbound(id) || of_model.vanished.contains(&id) {
            return Some(Effect::Harmless);
        }
        let known = self.memory.known(self.model).get(id);
        let clean = !self.sql.model.direction().sends() || of_model.outbox.get(id).is_none();
        if known.is_none() && remote.is_none() {
            return Some(Effect::Harmless);
        }
        if of_model.unusable.is_some() {
            return Some(Effect::Harmless);
        }
        if !clean || known.is_none() {
            return None;
        }
        let state = RowState {
            known,
            ..RowState::default()
        };
        let decision = inbound(self.sql.model, &item.id, &state, remote);
        Some(breaker::effect(&state, &decision))
    }

    /// The row is dirty, or was never agreed on.
    fn told_by_row(&self, native: &Native<'_>, item: &InboundItem) -> Result<Effect, Fault> {
        let Ok(key) = self.sql.model.id_to_columns(&item.id) else {
            return Ok(Effect::Harmless);
        };
        let mut select = native.prepare(&self.sql.select_row)?;
        let Ok(Some(row)) = read_row(&mut select, self.sql, &key)? else {
            return Ok(Effect::Harmless);
        };
        let id = id_key(IdHash::of(&item.id));
        let inserted = self.memory.models[self.model]
            .outbox
            .get(id)
            .is_some_and(outbox::RowEntries::inserted);
        let known = self.memory.known(self.model).get(id);
        Ok(match &item.incoming {
            Incoming::Absent if !inserted => Effect::Delete,
            Incoming::Present(remote)
                if remote.belongs == Belongs::Here
                    && !inserted
                    && known != Some(remote.hash)
                    && row != remote.image =>
            {
                Effect::Overwrite
            }
            _ => Effect::Harmless,
        })
    }
}

/// Lets rows win over documents that would delete or overwrite them.
pub(crate) async fn reject(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    items: &[InboundItem],
    marks: &[Mark],
) -> Result<Vec<RowRef>, RepositoryError> {
    const ACTION: &str = "take back changes from the store";
    let mut memory = session.memory().await;
    session.load_known(reader, &mut memory, session.order()).await?;
    assert!(
        memory.persisted.in_flight.is_none(),
        "changes are taken back when nothing is in flight"
    );
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    let mut kept = Vec::new();
    let mut met = HashSet::new();
    for slice in items.chunks(SLICE_ROWS) {
        on_native(&mut transaction, ACTION, |native| {
            for item in slice {
                let model = session
                    .position(item.model)
                    .ok()
                    .filter(|&model| memory.models[model].unusable.is_none());
                if let Some(model) = model
                    && met.insert((model, IdHash::of(&item.id)))
                    && keep(native, &mut memory, (model, &session.models()[model]), item)?
                {
                    kept.push(RowRef {
                        model: item.model,
                        id: item.id.clone(),
                    });
                }
            }
            memory.read_outboxes(native, session.models())
        })
        .await?;
        tokio::task::yield_now().await;
    }
    on_native(&mut transaction, ACTION, |native| {
        memory
            .persisted
            .set_marks(native, session.models(), marks)
            .map(drop)
    })
    .await?;
    session.commit(transaction, &mut memory, ACTION).await?;
    Ok(kept)
}

/// Makes the row, if there is one, a local change of its document; whether it was in danger.
fn keep(
    native: &Native<'_>,
    memory: &mut Memory,
    (model, sql): (usize, &ModelSql),
    item: &InboundItem,
) -> Result<bool, Fault> {
    let Ok(key) = sql.model.id_to_columns(&item.id) else {
        return Ok(false);
    };
    let id = id_key(IdHash::of(&item.id));
    let known = memory.known(model).get(id);
    let exists = {
        let mut select = native.prepare(&sql.select_row)?;
        matches!(read_row(&mut select, sql, &key)?, Ok(Some(_)))
    };
    let (kind, base, hash) = match &item.incoming {
        Incoming::Absent if exists && known.is_some() => (kind::INSERT, None, None),
        Incoming::Present(remote)
            if exists && remote.belongs == Belongs::Here && known != Some(remote.hash) =>
        {
            (kind::UPDATE, Some(&remote.image), Some(content_key(remote.hash)))
        }
        _ => return Ok(false),
    };
    replace_entries(native, memory, (model, sql, id), (kind, &key, base))?;
    memory.write_known(KnownWrite { model, id, hash });
    memory.models[model]
        .troubles
        .clear_outbound(native, sql, &item.id)?;
    Ok(true)
}

/// One entry in place of all that the row has.
fn replace_entries(
    native: &Native<'_>,
    memory: &mut Memory,
    (model, sql, id): (usize, &ModelSql, u128),
    (kind, key, base): (&'static str, &[ColumnValue], Option<&Image>),
) -> Result<(), Fault> {
    if memory.models[model].outbox.get(id).is_some() {
        memory.models[model].outbox.drop_entries(native, sql, id, None)?;
    }
    Ok(outbox::append(native, sql, NewEntry { kind, key, base })?)
}
