//! What an audit asks of a table: its clean rows, summed up or one by one.
//!
//! Not here: what is made of them (`ditto_sync_core::audit`), and changes that no trigger sees (`app`).

use std::collections::HashSet;

use ditto_sync_core::{
    audit::{AuditedRow, Digest, RowDigest, bucket_of},
    descriptor::ModelDescriptor,
    hash::{ContentHash, IdHash},
    id::DocumentId,
};

use super::durable::{Durable, Table};

impl Durable {
    pub(super) fn digest(&mut self, model: &'static ModelDescriptor, buckets: usize) -> RowDigest {
        let table = self.table(model);
        let mut digest = Digest::new(buckets);
        let mut rows = 0;
        for row in table.comparable() {
            digest.add(IdHash::of(&row.id), row.hash);
            rows += 1;
        }
        RowDigest {
            digest,
            rows,
            skipped: table.incomparable(),
        }
    }

    pub(super) fn audited(
        &mut self,
        model: &'static ModelDescriptor,
        (wanted, buckets): (&HashSet<usize>, usize),
    ) -> Vec<AuditedRow> {
        let rows = self.table(model).comparable();
        rows.filter(|row| wanted.contains(&bucket_of(IdHash::of(&row.id), buckets)))
            .collect()
    }
}

impl Table {
    fn comparable(&self) -> impl Iterator<Item = AuditedRow> {
        self.rows.keys().filter_map(|id| self.audited(id))
    }

    /// A clean row that has agreed with its document; `None` for any other.
    fn audited(&self, id: &DocumentId) -> Option<AuditedRow> {
        let known = *self.known.get(id)?;
        if self.outbox.contains_key(id) || self.waits_inbound(id) {
            return None;
        }
        let image = self.state(id).ok()?.row?;
        Some(AuditedRow {
            id: id.clone(),
            hash: ContentHash::of(self.model, &image),
            image,
            known: Some(known),
        })
    }

    /// Also ids without a row: that one is missing is no news where it was deleted, or where its document waits.
    fn incomparable(&self) -> HashSet<IdHash> {
        let rows = self.rows.keys().filter(|id| self.audited(id).is_none());
        let waiting = self.parked.keys();
        let set_aside = self.unreadable.keys().chain(self.ignored.keys());
        rows.chain(self.outbox.keys())
            .chain(waiting)
            .chain(set_aside)
            .map(IdHash::of)
            .collect()
    }
}
