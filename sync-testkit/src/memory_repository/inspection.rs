//! What tests may look at: rows, outbox, known set and the rest of what is durable.

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::{
    column::Image,
    descriptor::ModelDescriptor,
    hash::ContentHash,
    id::DocumentId,
    intent::{Intent, OutboxSeq},
    merge::Conflict,
    repository::{Quarantined, RowRef, Way},
};

use super::{CaptureKind, MemoryRepository, durable::Table};

/// One captured change that is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its position.
    pub seq: OutboxSeq,
    /// The row.
    pub id: DocumentId,
    /// What happened to it.
    pub kind: CaptureKind,
    /// The row before; `None` for an insert.
    pub old: Option<Image>,
}

impl MemoryRepository {
    /// All rows of a table, by id.
    #[must_use]
    pub fn rows(&self, model: &'static ModelDescriptor) -> BTreeMap<DocumentId, Image> {
        self.read(model, |table| table.rows.clone())
    }

    /// One row.
    #[must_use]
    pub fn row(&self, model: &'static ModelDescriptor, id: &DocumentId) -> Option<Image> {
        self.read(model, |table| table.rows.get(id).cloned())
    }

    /// The outbox of a table, oldest entry first.
    #[must_use]
    pub fn outbox(&self, model: &'static ModelDescriptor) -> Vec<OutboxEntry> {
        let mut entries: Vec<_> = self.read(model, |table| {
            let of_row = |(id, entries): (&DocumentId, &Vec<super::durable::Entry>)| {
                let entry = |entry: &super::durable::Entry| OutboxEntry {
                    seq: entry.seq,
                    id: id.clone(),
                    kind: entry.kind,
                    old: entry.old.clone(),
                };
                entries.iter().map(entry).collect::<Vec<_>>()
            };
            table.outbox.iter().flat_map(of_row).collect()
        });
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    /// The known set of a table.
    #[must_use]
    pub fn known(&self, model: &'static ModelDescriptor) -> BTreeMap<DocumentId, ContentHash> {
        self.read(model, |table| table.known.clone())
    }

    /// The intent in flight.
    #[must_use]
    pub fn in_flight(&self) -> Option<Intent> {
        self.lock().durable.in_flight.clone()
    }

    /// Every conflict reported so far, oldest first.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.lock().durable.conflicts.clone()
    }

    /// Rows that left the scope and stayed in the table.
    #[must_use]
    pub fn kept(&self, model: &'static ModelDescriptor) -> BTreeSet<DocumentId> {
        self.read(model, |table| table.kept.clone())
    }

    /// Whether the document of a row waits for another row, or is in quarantine.
    #[must_use]
    pub fn is_waiting(&self, model: &'static ModelDescriptor, id: &DocumentId) -> bool {
        self.read(model, |table| table.waits_inbound(id))
    }

    /// What waits for another row, and what it waits for.
    #[must_use]
    pub fn parked_reasons(&self, model: &'static ModelDescriptor) -> BTreeMap<DocumentId, String> {
        self.read(model, |table| table.parked.clone())
    }

    /// Everything in quarantine, both ways.
    #[must_use]
    pub fn quarantine(&self) -> Vec<Quarantined> {
        let state = self.lock();
        let mut found = Vec::new();
        for table in state.durable.tables.values() {
            let record = |id: &DocumentId, way, reason: &String| Quarantined {
                model: table.model,
                id: Some(id.clone()),
                way,
                reason: reason.clone(),
            };
            found.extend(
                table
                    .held_back
                    .iter()
                    .map(|(id, held)| record(id, Way::Outbound, &held.reason)),
            );
            found.extend(
                table
                    .unreadable
                    .iter()
                    .map(|(id, unreadable)| record(id, Way::Inbound, &unreadable.reason)),
            );
        }
        found
    }

    /// The rows for which the known set does not hold the hash of their base. The invariant *Base* says that there are none, after every
    /// single transaction.
    #[must_use]
    pub fn broken_bases(&self) -> Vec<RowRef> {
        let state = self.lock();
        let mut broken = Vec::new();
        for table in state.durable.tables.values() {
            for (id, known) in &table.known {
                if table.base_hash(id) != Some(*known) {
                    broken.push(RowRef {
                        model: table.model,
                        id: id.clone(),
                    });
                }
            }
        }
        broken
    }

    fn read<T: Default>(&self, model: &'static ModelDescriptor, look: impl FnOnce(&Table) -> T) -> T {
        self.lock()
            .durable
            .tables
            .get(model.collection())
            .map(look)
            .unwrap_or_default()
    }
}

impl Table {
    fn base_hash(&self, id: &DocumentId) -> Option<ContentHash> {
        let state = self.state(id).ok()?;
        let base = match state.pending {
            Some(pending) => pending.base?,
            None => state.row?,
        };
        Some(ContentHash::of(self.model, &base))
    }
}
