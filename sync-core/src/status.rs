//! What a coordinator tells about itself: [`SyncStatus`] (how it is, as a watch channel) and [`SyncEvent`] (what happened, as a stream).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    id::DocumentId,
    merge::Conflict,
    repository::{Finding, Way},
};

/// How a coordinator is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncStatus {
    /// What it is doing.
    pub phase: Phase,
    /// Per collection.
    pub collections: BTreeMap<&'static str, CollectionStatus>,
    /// The last failure that concerned no single record, with its causes; gone once the same thing worked.
    pub last_error: Option<Arc<str>>,
    /// The last value of the context that was followed (a watch channel) and does not fit the models, and why; the one before it stays. Gone once the
    /// context changes again.
    pub context_error: Option<Arc<str>>,
    /// What the app's schema should change: triggers that answer changes from the store with changes of their own. Constant over a run.
    pub warnings: Vec<Finding>,
}

/// What a coordinator is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for the startup delay.
    #[default]
    Starting,
    /// Comparing the tables with the store.
    Reconciling,
    /// Changes travel as they happen.
    Live,
    /// The store or the database does not answer; trying again.
    Retrying,
    /// The store was replaced: nothing is sent before it has caught up, or [`accept_store`](crate::coordinator::SyncHandle::accept_store) is called.
    AwaitingPeer,
    /// No store is there: see [`StoreSlot`](crate::store::StoreSlot). Changes are captured, and travel when one comes.
    AwaitingStore,
    /// Paused: nothing is exchanged and the database is released, while changes go on being captured, until
    /// [`resume`](crate::coordinator::SyncHandle::resume).
    Paused,
    /// Shut down.
    Stopped,
}

/// How one collection is. Counters count since the start of the coordinator.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectionStatus {
    /// Local changes that the store has not accepted.
    pub pending: u64,
    /// Since when there has been some local change unsent, as far as this coordinator saw.
    pub pending_since: Option<SystemTime>,
    /// Operations accepted by the store.
    pub sent: u64,
    /// Rows written or deleted because of their documents.
    pub applied: u64,
    /// Documents delivered again though nothing had changed.
    pub skipped_unchanged: u64,
    /// Own writes that came back from the store.
    pub suppressed: u64,
    /// Concurrent changes that met.
    pub conflicts: u64,
    /// Documents that wait for another row.
    pub parked: u64,
    /// Records that cannot be sent or applied.
    pub quarantined: u64,
    /// The parameters of the context whose values are not known yet: until they are, nothing of this collection is fetched, observed, seeded or
    /// removed. What the app writes is sent.
    pub awaiting_context: Vec<String>,
    /// It is changing over to another scope: rows of the old one may still be here.
    pub changing_scope: bool,
    /// Changes from the store that are too many to be applied unasked, and wait for a decision (or, for a moment, whether more follow); see
    /// [`SyncHandle::held_changes`](crate::coordinator::SyncHandle::held_changes). Local changes of these rows wait too.
    pub held: u64,
    /// The last failure of one of its records.
    pub last_error: Option<Arc<str>>,
}

impl SyncStatus {
    /// Local changes that the store has not accepted, in all collections.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.collections
            .values()
            .map(|collection| collection.pending)
            .sum()
    }

    /// Why it may take long, for messages.
    pub(crate) fn what_is_wrong(&self) -> String {
        match (&self.last_error, self.phase) {
            (_, Phase::Paused) => "the coordinator is paused".to_owned(),
            (_, Phase::AwaitingStore) => "no store is attached".to_owned(),
            (Some(error), _) => error.as_ref().to_owned(),
            (None, _) => "none".to_owned(),
        }
    }
}

impl CollectionStatus {
    /// How long some local change has been unsent at `now`.
    #[must_use]
    pub fn pending_age(&self, now: SystemTime) -> Option<Duration> {
        self.pending_since
            .map(|since| now.duration_since(since).unwrap_or_default())
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SyncEvent {
    /// The coordinator does something else now.
    Phase(Phase),
    /// Progress of a first sync or a reconcile.
    Progress {
        /// Documents compared.
        done: usize,
        /// Documents to compare.
        total: usize,
    },
    /// The store accepted local changes.
    Sent {
        /// The collection.
        collection: &'static str,
        /// How many operations.
        operations: u64,
    },
    /// A row was written or deleted because of its document; the change is committed.
    Applied {
        /// The collection.
        collection: &'static str,
        /// The row.
        id: DocumentId,
    },
    /// Concurrent changes met.
    Conflict(Conflict),
    /// A document waits for another row.
    Parked {
        /// The collection.
        collection: &'static str,
        /// The document.
        id: DocumentId,
    },
    /// A record cannot be sent or applied.
    Quarantined {
        /// The collection.
        collection: &'static str,
        /// The record; `None` when its key is not an id.
        id: Option<DocumentId>,
        /// Which way it was going.
        way: Way,
        /// Why, naming the field or constraint.
        reason: Arc<str>,
    },
    /// A collection has changed over to another scope: what belongs to it is here, as this device's store has it, and what does not is gone (or kept).
    ScopeChanged {
        /// The collection.
        collection: &'static str,
    },
    /// A value of the context that is followed does not fit the models; the one before it stays.
    ContextRefused {
        /// Which, and why.
        error: Arc<str>,
    },
    /// The store has so many deletes, or overwritten rows, of one collection that they wait for
    /// [`approve_mass_change`](crate::coordinator::SyncHandle::approve_mass_change) or [`reject_mass_change`](crate::coordinator::SyncHandle::reject_mass_change).
    /// Everything else goes on. Told once, and again after a restart; more may join them.
    MassChangeHeld {
        /// The collection.
        collection: &'static str,
        /// Rows that would be deleted, as far as known.
        deletes: u64,
        /// Rows that would be overwritten, where these count.
        overwrites: u64,
        /// Synced rows of the table.
        rows: u64,
    },
    /// Something about the app's schema should change; told once a start.
    Warning(Finding),
    /// This listener was too slow and missed events.
    Missed {
        /// How many.
        count: u64,
    },
    /// Something failed and is tried again.
    Retrying {
        /// What failed, with its causes.
        error: Arc<str>,
        /// The next attempt comes after this time.
        after: Duration,
    },
}
