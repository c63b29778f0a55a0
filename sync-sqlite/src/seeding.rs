//! How far seeding has come: [`seeding`], [`reset`].
//!
//! Not here: finding and drafting the rows (`draft::seeding`).

use std::collections::HashSet;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    hash::IdHash,
    repository::{RepositoryError, SeedState},
};

use crate::{
    connection::{Durability, Reader, Writer},
    inspect::{Position, key_slice},
    known::{Known, id_key},
    native::Native,
    outbox::{EntryKey, read_key},
    quarantine::Troubles,
    state::{Fault, ModelSql, Persisted, Session, on_native},
};

/// Which models are done, and how many rows of the others no store has met.
pub(crate) async fn seeding(session: &Session, reader: &Reader) -> Result<Vec<SeedState>, RepositoryError> {
    const ACTION: &str = "look how far seeding has come";
    let mut memory = session.memory().await;
    let mut transaction = reader.begin(ACTION).await?;
    let done = on_native(&mut transaction, ACTION, |native| {
        Ok(Persisted::load(native, session.models())?.seeded)
    })
    .await?;
    transaction.rollback().await?;
    let counted: Vec<_> = (0..done.len())
        .filter(|&model| !done[model] && is_seeded(session.models()[model].model))
        .collect();
    session.load_known(reader, &mut memory, &counted).await?;
    let mut states: Vec<_> = std::iter::zip(session.models(), &done)
        .map(|(sql, &done)| SeedState {
            collection: sql.model.collection(),
            done,
            unmet: 0,
        })
        .collect();
    let mut transaction = reader.begin(ACTION).await?;
    for model in counted {
        let sql = &session.models()[model];
        if memory.models[model].unusable.is_some() {
            continue;
        }
        let mut count = on_native(&mut transaction, ACTION, |native| Count::new(native, sql)).await?;
        let known = memory.known(model);
        let mut after = Some(Position::Start);
        while let Some(position) = after {
            after = on_native(&mut transaction, ACTION, |native| {
                count.slice(native, (sql, known), &position)
            })
            .await?;
            tokio::task::yield_now().await;
        }
        states[model].unmet = count.unmet;
    }
    transaction.rollback().await?;
    Ok(states)
}

fn is_seeded(model: &ModelDescriptor) -> bool {
    model.direction().sends() && model.seeds()
}

/// Has models be looked through again.
pub(crate) async fn reset(
    session: &Session,
    writer: &Writer,
    models: &[&'static ModelDescriptor],
) -> Result<(), RepositoryError> {
    const ACTION: &str = "have tables be seeded again";
    let mut memory = session.memory().await;
    let positions = models.iter().map(|model| session.position(model));
    let positions: Vec<_> = positions.collect::<Result<_, _>>()?;
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    on_native(&mut transaction, ACTION, |native| {
        for &model in &positions {
            let sql = &session.models()[model];
            memory.persisted.set_seeded(native, sql, (model, false))?;
            memory.models[model].seeding = Default::default();
            memory.models[model].troubles.try_held_again();
        }
        Ok(())
    })
    .await?;
    session.commit(transaction, &mut memory, ACTION).await
}

/// Counts the rows of a table that no store has met.
struct Count {
    /// Ids with an outbox entry.
    entries: HashSet<u128>,
    troubles: Troubles,
    unmet: u64,
}

impl Count {
    fn new(native: &Native<'_>, sql: &ModelSql) -> Result<Self, Fault> {
        let mut ids = HashSet::new();
        let mut entries = native.prepare(&sql.outbox.entries_after)?;
        entries.bind_i64(1, i64::MIN)?;
        while entries.step()? {
            if let EntryKey::Id(id, _) = read_key(&entries, sql, 2)? {
                ids.insert(id_key(IdHash::of(&id)));
            }
        }
        Ok(Self {
            entries: ids,
            troubles: Troubles::load(native, sql.number)?,
            unmet: 0,
        })
    }

    fn slice(
        &mut self,
        native: &Native<'_>,
        (sql, known): (&ModelSql, &Known),
        position: &Position,
    ) -> Result<Option<Position>, Fault> {
        key_slice(native, sql, position, |id| {
            let key = id_key(IdHash::of(&id));
            let met = known.contains(key)
                || self.entries.contains(&key)
                || self.troubles.concern_inbound(key)
                || self.troubles.holds(&id);
            self.unmet += u64::from(!met);
        })
    }
}
