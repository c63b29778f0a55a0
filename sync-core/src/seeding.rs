//! What seeding did: [`SeedReport`].
//!
//! Seeding sends rows that no store has met and no trigger has seen, below every real write, and only where the store has no such document. Not here: how
//! (`coordinator::seeding`), and which rows those are (the repository knows).

use crate::id::DocumentId;

/// What a seeding did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Per collection.
    pub collections: Vec<SeededCollection>,
}

/// What a seeding did in one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeededCollection {
    /// The collection.
    pub collection: &'static str,
    /// It had been seeded before, so nothing was to be done: see [`reset_seed_state`](crate::coordinator::SyncHandle::reset_seed_state).
    pub already_seeded: bool,
    /// Rows that no store had met, when it began.
    pub rows: u64,
    /// Of them, how many the store has taken.
    pub sent: u64,
    /// Of them, how many had a document already, which they took.
    pub adopted: u64,
    /// Rows of the collection that are in quarantine on their way out. Mended, they are sent by themselves.
    pub failed: Vec<SeedFailure>,
}

/// A row that was not seeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFailure {
    /// Its id; `None` when its key is not one.
    pub id: Option<DocumentId>,
    /// Why, naming the field.
    pub reason: String,
}

impl SeedReport {
    /// Rows that the store has taken, in all collections.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.collections.iter().map(|collection| collection.sent).sum()
    }

    /// Whether every row was taken, or has met its document.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.collections
            .iter()
            .all(|collection| collection.failed.is_empty())
    }
}
