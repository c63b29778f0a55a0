//! What is asked of a repository for the next intent, and what it found.
//!
//! Not here: what a dirty row sends (`merge::outbound`).

use std::collections::HashSet;

use super::{Quarantined, RowRef};
use crate::{descriptor::ModelDescriptor, hash::IdHash, intent::Intent, scope::Scopes};

/// What to put into the next intent.
#[derive(Debug, Clone, Copy)]
pub struct DraftRequest<'a> {
    /// At most this many operations.
    pub operations_max: usize,
    /// Of these collections, also rows that were never agreed on with the store and have no outbox entry: they go out as seeds.
    pub seed: &'a [&'static str],
    /// For rows that turn out clean and outside of it.
    pub scopes: &'a Scopes,
    /// Which rows come into question.
    pub rows: DraftRows<'a>,
}

/// Which rows come into question for an intent.
#[derive(Debug, Clone, Copy, Default)]
pub enum DraftRows<'a> {
    /// All.
    #[default]
    All,
    /// All but these, and but those of these collections. They do not count as [`more`](Draft::more) to send.
    Except(&'a RowSet, &'a [&'static str]),
    /// This one, if it is dirty (or was never agreed on, and seeds are asked for).
    Only(&'a RowRef),
}

/// Rows, by collection and id.
pub type RowSet = HashSet<(&'static str, IdHash)>;

impl DraftRequest<'_> {
    /// Whether rows of `model` that were never agreed on are asked for. Not before its scope is known: what is here may be elsewhere's.
    #[must_use]
    pub fn seeds(&self, model: &ModelDescriptor) -> bool {
        self.seed.contains(&model.collection()) && model.direction().sends() && !self.scopes.awaits(model)
    }
}

impl DraftRows<'_> {
    /// Whether this row comes into question.
    #[must_use]
    pub fn admit(&self, model: &ModelDescriptor, id: IdHash) -> bool {
        match self {
            Self::All => true,
            Self::Except(rows, collections) => {
                (rows.is_empty() || !rows.contains(&(model.collection(), id)))
                    && !collections.contains(&model.collection())
            }
            Self::Only(row) => row.model.collection() == model.collection() && IdHash::of(&row.id) == id,
        }
    }
}

/// What a draft found.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The intent, durable; `None` when there is nothing to send.
    pub intent: Option<Intent>,
    /// Rows whose entries meant nothing (changed and changed back).
    pub dropped: usize,
    /// Rows removed because they were clean at last and outside the scope.
    pub left_scope: usize,
    /// Rows that cannot be sent.
    pub quarantined: Vec<Quarantined>,
    /// There is more to send than fitted.
    pub more: bool,
}

/// What an acknowledgement changed.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// Rows removed because they were outside the scope.
    pub left_scope: usize,
}
