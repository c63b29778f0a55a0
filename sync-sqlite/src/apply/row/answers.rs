//! What triggers of the app make of a row while its document is put in.
//!
//! That is a local change. But where the triggers of two devices answer each other, it never ends: such a row is set aside. Not here: naming those
//! triggers at start (`schema::trigger_text`).

use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::IdHash,
    id::DocumentId,
    repository::{Quarantined, Way},
};

use super::Table;
use crate::{
    apply::{pass::Pass, work::Work},
    draft::read_row,
    known::id_key,
    layout::kind,
    limits::ANSWERS_IN_A_ROW_MAX,
    outbox::{self, NewEntry},
    state::{Fault, Memory, ModelMemory},
};

impl Table<'_> {
    /// The guard keeps capture from seeing the row, and with it what triggers of the app made of the row: that is a local change.
    pub(super) fn capture_what_triggers_did(
        &mut self,
        (memory, pass): (&mut Memory, &mut Pass),
        work: &Work<'_>,
        (key, image): (&[ColumnValue], &Image),
    ) -> Result<(), Fault> {
        let select = match &mut self.select {
            Some(select) => select,
            none => none.insert(self.native.prepare(&self.sql.select_row)?),
        };
        let after = read_row(select, self.sql, key)?;
        let of_model = &mut memory.models[self.model];
        if after.as_ref() == Ok(&Some(image.clone())) {
            of_model.answers.remove(&work.id);
            return Ok(());
        }
        let entry = NewEntry {
            kind: kind::UPDATE,
            key,
            base: Some(image),
        };
        outbox::append(self.native, self.sql, entry)?;
        if !self.is_answer(image, after.ok().flatten().as_ref()) {
            of_model.answers.remove(&work.id);
            return Ok(());
        }
        let answers = of_model.answers.entry(work.id).or_default();
        *answers += 1;
        if *answers < ANSWERS_IN_A_ROW_MAX {
            return Ok(());
        }
        of_model.answers.remove(&work.id);
        self.set_aside(of_model, pass, &work.item.id)
    }

    /// Whether the document changed nothing but what the trigger, which has now made `after` of it, stamps anyway.
    fn is_answer(&self, image: &Image, after: Option<&Image>) -> bool {
        let (Some(before), Some(after)) = (&self.before, after) else {
            return false;
        };
        (0..self.sql.columns()).all(|at| before[at] == image[at] || after[at] != image[at])
    }

    /// The row, as the trigger left it, is not sent until the app changes it again.
    fn set_aside(&self, memory: &mut ModelMemory, pass: &mut Pass, id: &DocumentId) -> Result<(), Fault> {
        memory.outbox.read(self.native, self.sql)?;
        let Some(entries) = memory.outbox.get(id_key(IdHash::of(id))) else {
            return Ok(());
        };
        let reason = format!(
            "a trigger of the table `{}` answers every change from the store with one of its own, as the trigger of another device does; give it `WHEN NOT (SELECT active FROM ditto_sync_guard)`",
            self.sql.model.table()
        );
        let last = entries.last();
        memory
            .troubles
            .set_aside(self.native, self.sql, (id, last), &reason)?;
        pass.quarantined.push(Quarantined {
            model: self.sql.model,
            id: Some(id.clone()),
            way: Way::Outbound,
            reason,
        });
        Ok(())
    }
}
