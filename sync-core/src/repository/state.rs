//! What a repository keeps of the exchange as a whole, beside rows: where the last coordinator stopped, counts, marks and recoveries.
//!
//! Not here: when any of it is set or asked for (`coordinator`, `startup`).

use crate::{
    breaker::Burst,
    intent::{Intent, ReplicaId},
    merge::Conflict,
    query::Query,
    store::{Cursor, Frontier, StoreId},
};

/// Where the last coordinator stopped.
#[derive(Debug, Clone)]
pub struct SyncState {
    /// Half of the batch ids made now.
    pub replica: ReplicaId,
    /// The intent that was handed, or about to be handed, to the store.
    pub in_flight: Option<Intent>,
    /// The sequence of the batch acknowledged last.
    pub acknowledged: Option<u64>,
    /// The acknowledged intents that can still be taken back, oldest first: sequence of the batch before, and their own.
    pub retained: Vec<(Option<u64>, u64)>,
    /// The store this database belongs to.
    pub store: Option<StoreId>,
    /// What that store held when it was last asked.
    pub frontier: Option<Frontier>,
    /// The store was replaced: nothing may be sent, and absence means nothing, before it has caught up.
    pub await_peer: bool,
    /// Per model, in the order given to [`Repository::prepare`](super::Repository::prepare).
    pub models: Vec<ModelState>,
    /// Positions of the models, parents before their children: the order in which tables are best filled.
    pub order: Vec<usize>,
}

/// Where the last coordinator stopped with one model.
#[derive(Debug, Clone, Default)]
pub struct ModelState {
    /// Up to where its store's changes have been applied.
    pub cursor: Option<Cursor>,
    /// The scope of its last complete reconcile.
    pub reconciled: Option<Query>,
    /// The changes that count together for the mass-change limit.
    pub burst: Option<Burst>,
}

/// How many rows of a collection are dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingCount {
    /// The collection.
    pub collection: &'static str,
    /// Outbox entries not yet acknowledged, but those of local rows. A row changed twice counts twice.
    pub entries: u64,
    /// Rows that are not sent because they [belong nowhere](crate::scope::is_local). Those that were there before the framework are counted once a
    /// draft has looked for rows to seed.
    pub local: u64,
    /// Parked documents.
    pub parked: u64,
    /// Quarantined records, both ways.
    pub quarantined: u64,
}

/// How far the seeding of a collection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedState {
    /// The collection.
    pub collection: &'static str,
    /// Every row was offered to the store.
    pub done: bool,
    /// Unless that is so, or the model is never seeded: rows that were never agreed on with the store, have no outbox entry and no record in quarantine.
    pub unmet: u64,
}

/// Something durable that belongs to no row.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// Up to where a model's changes have been applied.
    Cursor(&'static str, Option<Cursor>),
    /// The scope of a model's last complete reconcile; `None` before another one starts.
    Reconciled(&'static str, Option<Query>),
    /// The store this database belongs to, and what it holds.
    Store(StoreId, Option<Frontier>),
    /// Whether the store has to catch up before anything is sent.
    AwaitPeer(bool),
    /// The changes of a model that count together for the mass-change limit.
    Burst(&'static str, Option<Burst>),
}

/// What the start-up comparison of database and store found (`DESIGN` 5.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Another store: nothing is agreed with it. The known set and the intent go, the outbox stays.
    OtherStore,
    /// An old database file, or a copy: what is pending may have been sent already. It is reported and dropped; the known set goes.
    RestoredFile,
    /// The store lost its newest commits: everything acknowledged after this batch is pending again.
    StoreBehind {
        /// The last batch the store still has.
        last_applied: Option<u64>,
    },
}

/// What a recovery changed.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The state after it.
    pub state: SyncState,
    /// Local changes that were dropped, or that others changed meanwhile.
    pub conflicts: Vec<Conflict>,
}
