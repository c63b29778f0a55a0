//! Re-baselines after the store or the database file turned out to be another than last time: [`recover`].
//!
//! Not here: finding out which of the three it is (the coordinator compares), and what taking a write back means (`merge::unacknowledge`).

use std::collections::HashMap;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::{ContentHash, IdHash},
    id::DocumentId,
    intent::{Operation, OutboxSeq},
    merge::{Conflict, ConflictKind, FieldConflict, Pending, RowState, Unacknowledged, unacknowledge},
    repository::{Recovered, Recovery, RepositoryError},
};

use crate::{
    connection::{Durability, Reader, Writer},
    draft::read_row,
    known::{self, KnownWrite, content_key, id_key},
    layout::kind,
    native::Native,
    outbox::{self, EntryKey, NewEntry, canonical, read_image, read_key},
    quarantine,
    state::{Fault, Memory, ModelSql, Persisted, Session, on_native},
};

const ACTION: &str = "adapt to another store or database file";

/// Re-baselines, in one transaction that survives power loss.
pub(crate) async fn recover(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    recovery: &Recovery,
) -> Result<Recovered, RepositoryError> {
    let mut memory = session.memory().await;
    let models: Vec<_> = (0..session.models().len()).collect();
    session.load_known(reader, &mut memory, &models).await?;
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Full))
        .await?;
    let conflicts = on_native(&mut transaction, ACTION, |native| {
        let mut recovering = Recovering {
            session,
            memory: &mut memory,
            agreed: HashMap::new(),
            conflicts: Vec::new(),
        };
        recovering.run(native, recovery)?;
        let conflicts = recovering.conflicts;
        let named = conflicts
            .iter()
            .map(|(model, conflict)| (&session.models()[*model], conflict));
        quarantine::record_conflicts(native, named)?;
        Ok(conflicts.into_iter().map(|(_, conflict)| conflict).collect())
    })
    .await?;
    let state = on_native(&mut transaction, ACTION, |native| {
        memory
            .persisted
            .sync_state(native, session.models(), session.order())
    })
    .await?;
    session.commit(transaction, &mut memory, ACTION).await?;
    // The repairs went past the copies in memory.
    memory.doubt_everything();
    Ok(Recovered { state, conflicts })
}

struct Recovering<'a> {
    session: &'a Session,
    memory: &'a mut Memory,
    /// Known hashes that this transaction has changed, which the copy in memory does not follow here; by position of the model and id.
    agreed: HashMap<(usize, u128), Option<ContentHash>>,
    conflicts: Vec<(usize, Conflict)>,
}

impl Recovering<'_> {
    fn run(&mut self, native: &Native<'_>, recovery: &Recovery) -> Result<(), Fault> {
        match recovery {
            Recovery::OtherStore => {
                self.forget_agreements(native)?;
                self.memory.persisted.new_life(native)?;
                self.memory.persisted.set_await_peer(native, true)
            }
            Recovery::RestoredFile => {
                for model in 0..self.session.models().len() {
                    self.report_pending(native, model)?;
                    let sql = &self.session.models()[model];
                    native.execute(&format!("DELETE FROM {}", sql.outbox.table))?;
                }
                self.forget_agreements(native)?;
                self.memory.persisted.new_life(native)
            }
            Recovery::StoreBehind { last_applied } => self.take_back(native, *last_applied),
        }
    }

    /// Nothing is agreed on with any store any more; every row will be offered, everything compared.
    fn forget_agreements(&mut self, native: &Native<'_>) -> Result<(), Fault> {
        for (model, sql) in self.session.models().iter().enumerate() {
            native.execute(&format!("DELETE FROM {}", sql.known))?;
            // The document that such a change waited for is another store's: the row goes out whole.
            native.execute(&format!(
                "UPDATE {} SET kind = '{}' WHERE kind = '{}'",
                sql.outbox.table,
                kind::INSERT,
                kind::MISSED
            ))?;
            self.memory.persisted.set_seeded(native, sql, (model, false))?;
        }
        // What waited did so for documents of that store.
        native.execute(&format!(
            "DELETE FROM main.ditto_sync_parked; DELETE FROM main.ditto_sync_quarantine WHERE way = {}",
            quarantine::way_number(ditto_sync_core::repository::Way::Inbound)
        ))?;
        self.memory.persisted.forget_progress(native)
    }

    /// Reports the local changes that are about to be dropped.
    fn report_pending(&mut self, native: &Native<'_>, model: usize) -> Result<(), Fault> {
        let sql = &self.session.models()[model];
        let mut entries = native.prepare(&sql.outbox.images_after)?;
        entries.bind_i64(1, i64::MIN)?;
        let mut rows = native.prepare(&sql.select_row)?;
        while entries.step()? {
            let EntryKey::Id(id, key) = read_key(&entries, sql, 2)? else {
                continue;
            };
            let of_row = self.memory.models[model].outbox.get(id_key(IdHash::of(&id)));
            if of_row.is_none_or(|row| row.first() != entries.column_i64(0)) {
                continue;
            }
            let base = if outbox::has_image(entries.column_text(1)?) {
                canonical(sql, read_image(&entries, sql, 2 + sql.keys()))?.ok()
            } else {
                None
            };
            let row = read_row(&mut rows, sql, &key)?.unwrap_or_default();
            let fields = differences(sql, row.as_ref(), base.as_ref());
            let conflict = Conflict {
                collection: sql.model.collection(),
                id,
                kind: ConflictKind::LocalDroppedByRestore,
                fields,
            };
            self.conflicts.push((model, conflict));
        }
        Ok(())
    }

    /// Everything acknowledged after `last_applied` is pending again, newest first.
    fn take_back(&mut self, native: &Native<'_>, last_applied: Option<u64>) -> Result<(), Fault> {
        let models = self.session.models();
        while self.memory.persisted.acknowledged != last_applied {
            let Some((previous, intent)) = Persisted::newest_retained(native, models)? else {
                break;
            };
            for operation in intent.operations.iter().rev() {
                let model = models
                    .iter()
                    .position(|sql| sql.model.collection() == operation.model.collection());
                let model = model.expect("the intent was resolved among these models");
                self.take_back_operation(native, model, operation)?;
            }
            Persisted::forget_retained(native, intent.batch.sequence)?;
            self.memory.persisted.set_acknowledged(native, previous)?;
        }
        self.memory.persisted.forget_in_flight(native)?;
        self.memory.persisted.forget_progress(native)?;
        self.memory.persisted.set_await_peer(native, true)
    }

    fn take_back_operation(
        &mut self,
        native: &Native<'_>,
        model: usize,
        operation: &Operation,
    ) -> Result<(), Fault> {
        let sql = &self.session.models()[model];
        let id = &operation.id;
        let Ok(key) = sql.model.id_to_columns(id) else {
            return Ok(());
        };
        let lost = || {
            Unacknowledged::Report(Conflict {
                collection: sql.model.collection(),
                id: id.clone(),
                kind: ConflictKind::LostByStore,
                fields: Vec::new(),
            })
        };
        let known = self.known_now(model, id);
        let outcome = match self.state(native, model, (id, &key, known))? {
            Some(state) => unacknowledge(operation, &state),
            None => lost(),
        };
        match outcome {
            Unacknowledged::Forget => {
                self.write_known(native, (model, id), None)?;
                self.memory.persisted.set_seeded(native, sql, (model, false))
            }
            Unacknowledged::Pending { base, inserted, row } => {
                if let Some(row) = row {
                    put_silently(native, sql, (&key, &row))?;
                }
                let hash = base.as_ref().map(|base| ContentHash::of(sql.model, base));
                self.write_known(native, (model, id), hash)?;
                self.prepend(native, model, (&key, base.as_ref(), inserted))
            }
            Unacknowledged::Report(conflict) => {
                self.conflicts.push((model, conflict));
                Ok(())
            }
        }
    }

    /// Puts an entry before all others that makes the row pending from `base` on.
    fn prepend(
        &mut self,
        native: &Native<'_>,
        model: usize,
        (key, base, inserted): (&[ColumnValue], Option<&Image>, bool),
    ) -> Result<(), Fault> {
        let sql = &self.session.models()[model];
        let kind = match (inserted, base) {
            (true, Some(_)) => outbox::INSERT_OVER,
            (false, Some(_)) => kind::UPDATE,
            (_, None) => kind::INSERT,
        };
        outbox::prepend(native, sql, NewEntry { kind, key, base })?;
        let outbox = &mut self.memory.models[model].outbox;
        *outbox = outbox::Outbox::default();
        outbox.read(native, sql)?;
        Ok(())
    }

    /// The known hash as this transaction has left it.
    fn known_now(&self, model: usize, id: &DocumentId) -> Option<ContentHash> {
        let id = id_key(IdHash::of(id));
        let changed = self.agreed.get(&(model, id)).copied();
        changed.unwrap_or_else(|| self.memory.known(model).get(id))
    }

    fn write_known(
        &mut self,
        native: &Native<'_>,
        (model, id): (usize, &DocumentId),
        hash: Option<ContentHash>,
    ) -> Result<(), Fault> {
        let id = id_key(IdHash::of(id));
        let write = KnownWrite {
            model,
            id,
            hash: hash.map(content_key),
        };
        known::append(native, &self.session.models()[model].known, &[write])?;
        self.agreed.insert((model, id), hash);
        Ok(())
    }

    /// What is durable about a row; `None` when it cannot be read.
    fn state(
        &self,
        native: &Native<'_>,
        model: usize,
        (id, key, known): (&DocumentId, &[ColumnValue], Option<ContentHash>),
    ) -> Result<Option<RowState>, Fault> {
        let sql = &self.session.models()[model];
        let mut rows = native.prepare(&sql.select_row)?;
        let Ok(row) = read_row(&mut rows, sql, key)? else {
            return Ok(None);
        };
        let Some(entries) = self.memory.models[model].outbox.get(id_key(IdHash::of(id))) else {
            return Ok(Some(RowState {
                row,
                pending: None,
                known,
            }));
        };
        let base = match outbox::base_image(native, sql, entries)? {
            Some(base) => match sql.model.canonical(base) {
                Ok(base) => Some(base),
                Err(_) => return Ok(None),
            },
            None => None,
        };
        let pending = Some(Pending {
            base,
            inserted: entries.inserted(),
            last: OutboxSeq(entries.last()),
        });
        Ok(Some(RowState { row, pending, known }))
    }
}

/// Writes a row without capture, and without the app's triggers: this is a repair, not a change.
fn put_silently(
    native: &Native<'_>,
    sql: &ModelSql,
    (key, row): (&[ColumnValue], &Image),
) -> Result<(), Fault> {
    let Some(update) = &sql.update_row else {
        return Ok(());
    };
    native.set_triggers_enabled(false)?;
    let values: Vec<_> = key.iter().chain(row.columns()).collect();
    native.prepare(update)?.run_with(&values)?;
    native.set_triggers_enabled(true)?;
    Ok(())
}

/// The fields in which the row differs from its base.
fn differences(sql: &ModelSql, row: Option<&Image>, base: Option<&Image>) -> Vec<FieldConflict> {
    let fields = sql.model.fields().iter().enumerate();
    let differing = fields.filter(|(at, _)| row.map(|row| &row[*at]) != base.map(|base| &base[*at]));
    differing
        .map(|(at, field)| FieldConflict {
            field: field.document_name(),
            local: row.map(|row| row[at].clone()),
            remote: base.map(|base| base[at].clone()),
        })
        .collect()
}
