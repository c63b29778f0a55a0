//! Rows that no store has met and no trigger has seen: they go out as seeds.
//!
//! A pass goes over the table in key order. What it finds is known once it is acknowledged, so the pass that finds nothing is the last one ever.

use ditto_sync_core::{
    hash::IdHash,
    id::DocumentId,
    merge::{Outbound, RowState, outbound},
};

use super::{Drafting, Unsendable};
use crate::{
    known::id_key,
    native::Native,
    outbox::{EntryKey, canonical, read_image, read_key},
    quarantine,
    state::{Fault, Memory, SLICE_ROWS, Seeding},
};

impl Drafting<'_> {
    /// Looks at the next rows of `model`; whether there may be more of them.
    pub(super) fn unmet_rows(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        model: usize,
    ) -> Result<bool, Fault> {
        let sql = &self.session.models()[model];
        let unusable = memory.models[model].unusable.is_some();
        let ended = memory.persisted.seeded[model] || memory.models[model].seeding.ended;
        if ended || !self.request.seeds(sql.model) || unusable {
            return Ok(false);
        }
        let mut seeding = std::mem::take(&mut memory.models[model].seeding);
        let mut rows = match &seeding.after {
            None => native.prepare(&sql.first_rows)?,
            Some(after) => {
                let mut rows = native.prepare(&sql.next_rows)?;
                for (at, column) in after.iter().enumerate() {
                    rows.bind(2 + at, column)?;
                }
                rows
            }
        };
        rows.bind_i64(1, i64::try_from(SLICE_ROWS).expect("a slice is small"))?;
        let (mut read, mut progress, mut unsendable) = (0, false, Vec::new());
        while !self.is_full() && rows.step()? {
            read += 1;
            let (id, columns) = match read_key(&rows, sql, 0)? {
                EntryKey::Id(id, columns) => (id, columns),
                EntryKey::Nameless(name, reason) => {
                    let of_model = &memory.models[model];
                    if of_model.outbox.find(&name).is_none() && !of_model.troubles.held_name(&name, 0) {
                        unsendable.push(unsendable_row((name, None), reason));
                    }
                    continue;
                }
            };
            progress = true;
            seeding.after = Some(columns);
            if !is_unmet(memory, model, &id) {
                seeding.waiting |= waits(memory, model, &id);
                continue;
            }
            if !self.request.rows.admit(sql.model, IdHash::of(&id)) {
                // Not now: so this pass is not the last one.
                seeding.found = true;
                self.postponed = true;
                continue;
            }
            let decision = canonical(sql, read_image(&rows, sql, sql.keys()))?.and_then(|row| {
                let state = RowState {
                    row: Some(row),
                    ..RowState::default()
                };
                outbound(sql.model, &id, state).map_err(|reason| reason.to_string())
            });
            match decision {
                Ok(Outbound::Send(operation)) => {
                    seeding.found = true;
                    self.operations.push(*operation);
                }
                Ok(Outbound::Local) => {
                    seeding.local.insert(id_key(IdHash::of(&id)));
                }
                Ok(_) => {}
                Err(reason) => unsendable.push(unsendable_row((quarantine::row_name(&id), Some(id)), reason)),
            }
        }
        drop(rows);
        self.quarantine(native, memory, (model, unsendable))?;
        // A whole slice of keys that make no id leaves nothing to go on from; they are in the quarantine.
        if (read == SLICE_ROWS && progress) || self.is_full() {
            memory.models[model].seeding = seeding;
            self.draft.more = true;
            return Ok(!self.is_full());
        }
        self.end_pass(native, memory, (model, seeding))?;
        Ok(false)
    }

    /// The end of the table was reached.
    fn end_pass(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        (model, seeding): (usize, Seeding),
    ) -> Result<(), Fault> {
        if seeding.found {
            // Another pass tells whether all of it was taken.
            self.draft.more |= !self.postponed || !self.operations.is_empty();
        } else if !seeding.local.is_empty() || seeding.waiting {
            // They are met again at the next start: they may have values, or no documents, by then.
            memory.models[model].seeding = Seeding {
                ended: true,
                local: seeding.local,
                ..Seeding::default()
            };
        } else {
            memory
                .persisted
                .set_seeded(native, &self.session.models()[model], (model, true))?;
            self.wrote = true;
        }
        Ok(())
    }
}

/// Whether no store has met the row, no trigger has seen it, and nothing is wrong with it.
fn is_unmet(memory: &Memory, model: usize, id: &DocumentId) -> bool {
    let key = id_key(IdHash::of(id));
    let of_model = &memory.models[model];
    !(memory.known(model).contains(key)
        || of_model.outbox.get(key).is_some()
        || of_model.troubles.concern_inbound(key)
        || of_model.troubles.hold(id, 0))
}

fn unsendable_row((name, id): (Vec<u8>, Option<DocumentId>), reason: String) -> Unsendable {
    Unsendable {
        name,
        id,
        last: 0,
        reason,
    }
}

/// Whether only the row's document, which does not fit in, keeps it from being one to seed.
fn waits(memory: &Memory, model: usize, id: &DocumentId) -> bool {
    let key = id_key(IdHash::of(id));
    let of_model = &memory.models[model];
    of_model.troubles.concern_inbound(key)
        && !memory.known(model).contains(key)
        && of_model.outbox.get(key).is_none()
}
