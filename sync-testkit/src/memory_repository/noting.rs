//! Changes that no trigger saw, and agreements that are to be forgotten.

use ditto_sync_core::{hash::ContentHash, id::DocumentId, intent::OutboxSeq, repository::RowRef};

use super::{
    CaptureKind,
    durable::{Durable, Entry, Table},
};

impl Durable {
    /// Whether the row differs from what was agreed on, so that a change was captured.
    pub(super) fn note_changed(&mut self, row: &RowRef) -> bool {
        let table = self.table(row.model);
        let id = &row.id;
        if !row.model.direction().sends() || table.outbox.contains_key(id) || table.kept.contains(id) {
            return false;
        }
        let hash = table.rows.get(id).map(|image| {
            let canonical = row.model.canonical(image.clone());
            canonical.map(|image| ContentHash::of(row.model, &image)).ok()
        });
        let kind = match (hash, table.known.get(id)) {
            (None, None) => return false,
            (Some(hash), Some(known)) if hash == Some(*known) => return false,
            (Some(_), None) => CaptureKind::Insert,
            (Some(_), Some(_)) => CaptureKind::Update,
            (None, Some(_)) => CaptureKind::Delete,
        };
        self.last_seq += 1;
        let seq = OutboxSeq(self.last_seq);
        let entry = Entry { seq, kind, old: None };
        self.table(row.model).outbox.insert(id.clone(), vec![entry]);
        true
    }

    /// Whether anything was agreed on by these rows.
    pub(super) fn forget(&mut self, rows: &[RowRef]) -> bool {
        let mut any = false;
        for row in rows {
            let table = self.table(row.model);
            if !table.outbox.contains_key(&row.id) {
                any |= table.known.remove(&row.id).is_some();
            }
        }
        any
    }
}

impl Table {
    /// The rows with a change that no trigger saw, and that has not met its document yet.
    pub(super) fn unseen_changes(&self) -> impl Iterator<Item = &DocumentId> {
        self.outbox.keys().filter(|id| self.changed_unseen(id))
    }

    pub(super) fn changed_unseen(&self, id: &DocumentId) -> bool {
        self.outbox.get(id).is_some_and(|entries| {
            let inserted = entries.iter().any(|entry| entry.kind == CaptureKind::Insert);
            !inserted && entries.first().is_some_and(|first| first.old.is_none())
        })
    }
}
