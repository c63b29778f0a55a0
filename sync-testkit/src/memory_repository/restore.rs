//! Rows that are missing, from their documents.

use ditto_sync_core::{
    hash::ContentHash,
    live::Origin,
    repository::{InboundItem, Incoming, Restored},
    scope::Belongs,
};

use super::durable::Durable;

impl Durable {
    /// Restores rows; what became of each item. The caller takes a dry run back.
    pub(super) fn restore(&mut self, items: &[InboundItem]) -> Vec<Restored> {
        let mut outcomes: Vec<_> = items.iter().map(|item| self.verdict(item)).collect();
        let mut open: Vec<usize> = (0..items.len())
            .filter(|at| outcomes[*at] == Restored::Done)
            .collect();
        open.sort_by_key(|at| self.depth(items[*at].model));
        // A row may wait for another one: as long as something gets in, the rest is tried again.
        let mut hopeful = true;
        while std::mem::take(&mut hopeful) {
            open.retain(|&at| {
                let refused = self.bring_back(&items[at]).err();
                hopeful |= refused.is_none();
                outcomes[at] = refused.clone().map_or(Restored::Done, Restored::Refused);
                refused.is_some()
            });
        }
        outcomes
    }

    /// What becomes of an item; `Done` for one whose row is missing.
    fn verdict(&mut self, item: &InboundItem) -> Restored {
        let remote = match &item.incoming {
            Incoming::Absent => return Restored::Refused("there is no document".to_owned()),
            Incoming::Unreadable { reason, .. } => return Restored::Refused(reason.to_string()),
            Incoming::Present(remote) if remote.belongs != Belongs::Here => return Restored::OutOfScope,
            Incoming::Present(remote) => remote,
        };
        let table = self.table(item.model);
        match table.state(&item.id) {
            Err(_) => Restored::Differs,
            Ok(state) => match state.row {
                Some(row) if ContentHash::of(item.model, &row) == remote.hash => Restored::Present,
                Some(_) => Restored::Differs,
                None if state.pending.is_some() || state.known.is_some() => Restored::Deleted,
                None => Restored::Done,
            },
        }
    }

    fn bring_back(&mut self, item: &InboundItem) -> Result<(), String> {
        let Incoming::Present(remote) = &item.incoming else {
            return Ok(());
        };
        let (model, id) = (item.model, &item.id);
        self.check(model, id, &remote.image)
            .map_err(|violation| violation.to_string())?;
        self.touch(model, id, Origin::Remote);
        let table = self.table(model);
        table.rows.insert(id.clone(), remote.image.clone());
        table.known.insert(id.clone(), remote.hash);
        table.kept.remove(id);
        table.parked.remove(id);
        table.unreadable.remove(id);
        table.ignored.remove(id);
        Ok(())
    }
}
