//! The order in which documents of a replica changed: [`ChangeLog`].

use ditto_sync_core::id::DocumentId;

/// Changed ids by position. Compacts itself, so that it grows with the documents and not with the writes.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    logged: Vec<Logged>,
    position: u64,
    /// Length after the last compaction.
    compacted: usize,
}

/// One change.
#[derive(Debug)]
pub(super) struct Logged {
    pub(super) position: u64,
    pub(super) collection: &'static str,
    pub(super) id: DocumentId,
    /// The life of the store that has exactly this state already.
    pub(super) origin: Option<u64>,
}

/// Below this length compacting is not worth the walk.
const COMPACT_MIN: usize = 4096;

impl ChangeLog {
    /// The position of the newest change; 0 when there was none.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Logs a change; returns its position.
    pub(super) fn push(&mut self, collection: &'static str, id: DocumentId, origin: Option<u64>) -> u64 {
        self.position += 1;
        self.logged.push(Logged {
            position: self.position,
            collection,
            id,
            origin,
        });
        self.position
    }

    /// The changes after `position`, oldest first.
    pub(super) fn after(&self, position: u64) -> impl Iterator<Item = &Logged> {
        let start = self.logged.partition_point(|logged| logged.position <= position);
        self.logged[start..].iter()
    }

    /// Drops the changes that `is_newest` denies, when the log has doubled since this was last done.
    pub(super) fn compact(&mut self, is_newest: impl FnMut(&Logged) -> bool) {
        if self.logged.len() > COMPACT_MIN.max(self.compacted * 2) {
            self.logged.retain(is_newest);
            self.compacted = self.logged.len();
        }
    }
}
