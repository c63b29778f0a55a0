//! Bringing documents into the tables: the order of a batch, and what one document does.

use std::collections::{HashSet, VecDeque};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    live::Origin,
    merge::{EntriesChange, Inbound, KnownChange, RowChange, inbound},
    repository::{Applied, InboundBatch, InboundItem, Incoming, Quarantined, Remote, RowRef, Way},
    scope::Belongs,
};

use super::{
    Violation,
    durable::{Durable, Unreadable},
};

/// A batch on its way into the tables, over as many transactions as it takes.
pub(super) struct Arrival<'a> {
    batch: InboundBatch<'a>,
    queue: VecDeque<&'a InboundItem>,
    /// Documents that could not go in yet, and why.
    waiting: Vec<(&'a InboundItem, String)>,
    /// Whether this round changed something that may let the waiting ones in.
    progress: bool,
    outcome: Outcome,
}

/// What a batch did.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) applied: Applied,
    /// Whether a row that was held back may be sent now.
    pub(super) released: bool,
}

/// What became of one document.
enum Step {
    /// Nothing was to be done, and nothing was written.
    Idle,
    Written,
    Waits(String),
}

impl<'a> Arrival<'a> {
    /// Parents first; what deletes comes last and children first. Of several documents of one id the last counts.
    pub(super) fn new(durable: &Durable, batch: InboundBatch<'a>) -> Self {
        let mut met = HashSet::new();
        let mut items: Vec<_> = batch
            .items
            .iter()
            .rev()
            .filter(|item| met.insert((item.model.collection(), &item.id)))
            .collect();
        items.reverse();
        items.sort_by_key(|item| {
            let depth = i64::try_from(durable.depth(item.model)).unwrap_or(i64::MAX);
            match &item.incoming {
                Incoming::Absent
                | Incoming::Present(Remote {
                    belongs: Belongs::Elsewhere,
                    ..
                }) => (1, -depth),
                Incoming::Present(_) | Incoming::Unreadable { .. } => (0, depth),
            }
        });
        Self {
            batch,
            queue: items.into(),
            waiting: Vec::new(),
            progress: false,
            outcome: Outcome::default(),
        }
    }

    /// Whether there is nothing at all to do.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.items.is_empty() && self.batch.marks.is_empty()
    }

    /// One transaction: whether it was the last one, and whether it wrote.
    pub(super) fn advance(&mut self, durable: &mut Durable) -> (bool, bool) {
        let mut wrote = false;
        for _ in 0..self.batch.transaction_rows_max.max(1) {
            let Some(item) = self.queue.pop_front() else { break };
            match durable.apply(item, &mut self.outcome) {
                Step::Idle => {}
                Step::Written => {
                    wrote = true;
                    self.progress = true;
                }
                Step::Waits(reason) => self.waiting.push((item, reason)),
            }
        }
        if self.queue.is_empty() && self.progress {
            self.progress = false;
            self.queue.extend(self.waiting.drain(..).map(|(item, _)| item));
        }
        let last = self.queue.is_empty();
        if last {
            for (item, reason) in self.waiting.drain(..) {
                wrote |= durable.park(item, reason, &mut self.outcome);
            }
            wrote |= durable.set_marks(self.batch.marks);
        }
        self.outcome.applied.transactions += usize::from(wrote);
        (last, wrote)
    }

    pub(super) fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

impl Durable {
    fn apply(&mut self, item: &InboundItem, outcome: &mut Outcome) -> Step {
        let remote = match &item.incoming {
            Incoming::Absent => None,
            Incoming::Present(remote) => Some(remote),
            Incoming::Unreadable { belongs, .. }
                if *belongs == Belongs::Elsewhere && self.table(item.model).has_never_heard_of(&item.id) =>
            {
                None
            }
            Incoming::Unreadable { reason, .. } => {
                return self.quarantine(item, format!("the document cannot be read: {reason}"), outcome);
            }
        };
        let state = match self.table(item.model).state(&item.id) {
            Ok(state) => state,
            Err(reason) => {
                return self.quarantine(item, format!("the row cannot be read: {reason}"), outcome);
            }
        };
        let decision = inbound(item.model, &item.id, &state, remote);
        if decision.is_nothing() {
            outcome.applied.unchanged += 1;
            if !self.release(item.model, &item.id) {
                return Step::Idle;
            }
            outcome.released = true;
            return Step::Written;
        }
        if let RowChange::Put(image) = &decision.row
            && let Err(violation) = self.check(item.model, &item.id, image)
        {
            return match violation {
                // No other row can mend that.
                Violation::Check { .. } => self.quarantine(item, violation.to_string(), outcome),
                _ => Step::Waits(violation.to_string()),
            };
        }
        let gone = state.row.is_some();
        match self.change_row(item, &decision, gone, outcome) {
            Ok(true) => {}
            Ok(false) => return Step::Idle,
            Err(reason) => return Step::Waits(reason),
        }
        self.change_bookkeeping(item, decision, outcome);
        Step::Written
    }

    /// The row's part of a decision; false when all is as it should be already.
    fn change_row(
        &mut self,
        item: &InboundItem,
        decision: &Inbound,
        existed: bool,
        outcome: &mut Outcome,
    ) -> Result<bool, String> {
        let (model, id) = (item.model, &item.id);
        let row = || RowRef {
            model,
            id: id.clone(),
        };
        match &decision.row {
            RowChange::Keep => {
                let leaves = matches!(item.incoming, Incoming::Present(_))
                    && decision.known == KnownChange::Forget
                    && existed;
                if leaves {
                    let table = self.table(model);
                    let was_known = table.known.contains_key(id);
                    let newly_kept = table.kept.insert(id.clone());
                    return Ok(was_known || newly_kept);
                }
            }
            RowChange::Put(image) => {
                self.table(model).rows.insert(id.clone(), image.clone());
                self.touch(model, id, Origin::Remote);
                outcome.applied.changed.push(row());
            }
            RowChange::Delete => {
                let cascade = self
                    .cascade_of(model, id)
                    .map_err(|violation| violation.to_string())?;
                // Local changes, as the cascade of any statement: they are captured, and are no part of what the batch changed.
                for child in cascade {
                    self.erase_captured(child.model, &child.id);
                }
                if self.table(model).rows.remove(id).is_some() {
                    self.touch(model, id, Origin::Remote);
                    outcome.applied.changed.push(row());
                }
            }
            RowChange::Leave => {
                if !self.leave(model, id) {
                    return Err("rows that refer to it have not left the scope".to_owned());
                }
                outcome.applied.left_scope += usize::from(existed);
            }
        }
        Ok(true)
    }

    fn change_bookkeeping(&mut self, item: &InboundItem, decision: Inbound, outcome: &mut Outcome) {
        let (model, id) = (item.model, &item.id);
        let table = self.table(model);
        match decision.known {
            KnownChange::Keep => {}
            KnownChange::Set(hash) => {
                table.known.insert(id.clone(), hash);
                table.kept.remove(id);
            }
            KnownChange::Forget => {
                table.known.remove(id);
            }
        }
        match decision.entries {
            EntriesChange::Keep => {}
            EntriesChange::Drop => table.drop_entries(id, None),
            EntriesChange::Rebase(base) => {
                if let Some(first) = table.outbox.get_mut(id).and_then(|entries| entries.first_mut()) {
                    if base.is_none() {
                        first.kind = super::CaptureKind::Insert;
                    }
                    first.old = base;
                }
            }
        }
        table.mended(id);
        outcome.released |= self.release(model, id);
        if let Some(conflict) = decision.conflict {
            self.report(conflict.clone());
            outcome.applied.conflicts.push(conflict);
        }
    }

    /// The document waits no longer; whether it did.
    fn release(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> bool {
        let table = self.table(model);
        let parked = table.parked.remove(id).is_some();
        let ignored = table.ignored.remove(id).is_some();
        table.unreadable.remove(id).is_some() || parked || ignored
    }

    fn park(&mut self, item: &InboundItem, reason: String, outcome: &mut Outcome) -> bool {
        outcome.applied.parked.push(RowRef {
            model: item.model,
            id: item.id.clone(),
        });
        let table = self.table(item.model);
        let readable_now = table.unreadable.remove(&item.id).is_some();
        let before = table.parked.insert(item.id.clone(), reason.clone());
        readable_now || before != Some(reason)
    }

    fn quarantine(&mut self, item: &InboundItem, reason: String, outcome: &mut Outcome) -> Step {
        let document = match &item.incoming {
            Incoming::Absent => None,
            Incoming::Present(remote) => item.model.document_of(&item.id, &remote.image).ok(),
            Incoming::Unreadable { document, .. } => Some(document.clone()),
        };
        let now = self.now();
        let table = self.table(item.model);
        let waited = table.parked.remove(&item.id).is_some();
        let before = table.unreadable.get(&item.id);
        if table
            .ignored
            .get(&item.id)
            .is_some_and(|ignored| ignored.document == document)
        {
            return Step::Idle;
        }
        if before.is_some_and(|before| before.reason == reason && before.document == document) && !waited {
            return Step::Idle;
        }
        let unreadable = Unreadable {
            reason: reason.clone(),
            document,
            attempts: before.map_or(1, |before| before.attempts + 1),
            since: before.map_or(now, |before| before.since),
        };
        table.ignored.remove(&item.id);
        table.unreadable.insert(item.id.clone(), unreadable);
        outcome.applied.quarantined.push(Quarantined {
            model: item.model,
            id: Some(item.id.clone()),
            way: Way::Inbound,
            reason,
        });
        Step::Written
    }
}
