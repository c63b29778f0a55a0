//! Re-baselining after the store or the database file turned out to be another than last time.

use ditto_sync_core::{
    column::Image,
    descriptor::ModelDescriptor,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Operation, OutboxSeq, ReplicaId},
    live::Origin,
    merge::{Conflict, ConflictKind, FieldConflict, Unacknowledged, unacknowledge},
    repository::Recovery,
    rules::{Rule, off},
};

use super::{
    CaptureKind,
    durable::{Durable, Entry, Table},
};

impl Durable {
    /// What is to be reported.
    pub(super) fn recover(&mut self, recovery: &Recovery, replica: ReplicaId) -> Vec<Conflict> {
        let conflicts = match recovery {
            Recovery::OtherStore => {
                self.forget_store(replica);
                self.await_peer = !off(Rule::AwaitPeer);
                Vec::new()
            }
            Recovery::RestoredFile => {
                let dropped = self.tables.values().flat_map(dropped_by_restore).collect();
                self.forget_store(replica);
                for table in self.tables.values_mut().filter(|_| !off(Rule::DirtyRestore)) {
                    table.outbox.clear();
                    table.held_back.clear();
                }
                dropped
            }
            Recovery::StoreBehind { last_applied } => self.take_back(*last_applied),
        };
        for conflict in &conflicts {
            self.report(conflict.clone());
        }
        conflicts
    }

    /// Makes everything acknowledged after `last_applied` pending again, newest first.
    fn take_back(&mut self, last_applied: Option<u64>) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        while self.acknowledged != last_applied {
            let lost = self.retained.pop().expect(
                "the store is behind by retained intents only: else the file is taken for a restored one",
            );
            for operation in lost.intent.operations.iter().rev() {
                conflicts.extend(self.take_back_one(operation));
            }
            self.acknowledged = lost.before;
        }
        self.in_flight = None;
        self.await_peer = !off(Rule::AwaitPeer);
        for table in self.tables.values_mut() {
            table.cursor = None;
            table.reconciled = None;
        }
        conflicts
    }

    fn take_back_one(&mut self, operation: &Operation) -> Option<Conflict> {
        let (model, id) = (operation.model, &operation.id);
        let table = self.table(model);
        // A row that cannot be read any more is in quarantine already: it is sent again as it is, once it is mended.
        let state = table.state(id).ok()?;
        match unacknowledge(operation, &state) {
            Unacknowledged::Forget => {
                table.known.remove(id);
                table.seeded = false;
                None
            }
            Unacknowledged::Report(conflict) => Some(conflict),
            Unacknowledged::Pending { base, inserted, row } => {
                let kind = match operation.action {
                    Action::Delete => CaptureKind::Delete,
                    _ if inserted => CaptureKind::Insert,
                    _ => CaptureKind::Update,
                };
                if let Some(row) = row {
                    table.rows.insert(id.clone(), row);
                }
                table.pend_again(id, kind, base);
                self.touch(model, id, Origin::Remote);
                None
            }
        }
    }
}

impl Table {
    /// An entry before all others of its row, and the known set as its base says.
    fn pend_again(&mut self, id: &DocumentId, kind: CaptureKind, base: Option<Image>) {
        match &base {
            Some(base) => self.known.insert(id.clone(), ContentHash::of(self.model, base)),
            None => self.known.remove(id),
        };
        let entry = Entry {
            seq: OutboxSeq(0),
            kind,
            old: base,
        };
        self.outbox.entry(id.clone()).or_default().insert(0, entry);
    }
}

/// Every local change that may have been sent by the life this file is an old copy of.
fn dropped_by_restore(table: &Table) -> Vec<Conflict> {
    let conflict = |(id, entries): (&DocumentId, &Vec<Entry>)| {
        let base = entries.first().and_then(|entry| entry.old.as_ref());
        Conflict {
            collection: table.model.collection(),
            id: id.clone(),
            kind: ConflictKind::LocalDroppedByRestore,
            fields: changed_fields(table.model, base, table.rows.get(id)),
        }
    };
    table.outbox.iter().map(conflict).collect()
}

fn changed_fields(
    model: &'static ModelDescriptor,
    base: Option<&Image>,
    row: Option<&Image>,
) -> Vec<FieldConflict> {
    let fields = model.fields().iter().enumerate();
    fields
        .filter(|(at, _)| base.map(|base| &base[*at]) != row.map(|row| &row[*at]))
        .map(|(at, field)| FieldConflict {
            field: field.document_name(),
            local: row.map(|row| row[at].clone()),
            remote: None,
        })
        .collect()
}

/// Whether the store's last batch is one that can be gone back to.
pub(super) fn is_within_reach(durable: &Durable, last_applied: Option<u64>) -> bool {
    durable.acknowledged == last_applied
        || durable
            .retained
            .iter()
            .any(|retained| retained.before == last_applied)
}
