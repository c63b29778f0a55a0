//! The contract of a document store: [`DocumentStore`].
//!
//! A store is correct when it passes the store contract suite of `ditto-sync-testkit`. Peers, tickets and such are inherent methods of the
//! implementations and not part of the contract.

mod slot;

use std::{fmt, future::Future};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::slot::{SlotObservation, StoreSlot};
use crate::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    error::{ErrorKind, Source},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
    value::Value,
};

/// Where documents live and meet those of other peers.
///
/// Each method may be called again after an error or a cancellation; none may lose or double anything by that.
pub trait DocumentStore: Send + Sync + 'static {
    /// A subscription and an observer as one value; dropping it cancels both.
    type Observation: Observation;

    /// What this engine can do. Constant from one [`attached`](Self::attached) to the next.
    fn capabilities(&self) -> Capabilities;

    /// Returns when there is a store to talk to: at once, except for a [`StoreSlot`]. From then on calls are about that store, until one fails with
    /// [`StoreError::Detached`]: then it may be another one after the next `attached`, and whoever uses it compares its identity anew.
    ///
    /// Cancellation safe.
    fn attached(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Which store this is and how far `replica` has come in it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn identity(&self, replica: ReplicaId) -> impl Future<Output = Result<StoreIdentity, StoreError>> + Send;

    /// Applies `intent`: as a whole or not at all, durably before it returns, and once per [`BatchId`] (a repetition answers
    /// [`WriteOutcome::Applied`] and does nothing).
    ///
    /// Every operation's [`Expect`](crate::intent::Expect) is compared inside the store's transaction; if one differs nothing is applied and **all** ids
    /// that differ come back. A husk counts as absent. The batch id is recorded in the same transaction, and
    /// [`identity`](Self::identity) reports it as `last_applied`.
    ///
    /// Cancellation: the intent is applied or it is not; call again with the same intent to learn.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] names the operations that this store will never take; nothing was applied. Any other error leaves open
    /// whether it was applied, but ends the attempt: what was not applied when it returns never is, unless written again.
    fn write(&self, intent: &Intent) -> impl Future<Output = Result<WriteOutcome, StoreError>> + Send;

    /// The current documents of `ids`, in that order; `None` for absent ones and husks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> impl Future<Output = Result<Vec<Option<Document>>, StoreError>> + Send;

    /// The ids of **all** documents that match `query` and are not husks, as of one moment: the complete answer from which alone absence may be concluded.
    /// The cursor, where the engine has one, is of the same moment.
    ///
    /// # Errors
    /// When the store cannot be read. Never a partial answer.
    fn scan(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> impl Future<Output = Result<Scan, StoreError>> + Send;

    /// Subscribes to the documents that match `query` and observes them: what peers hold of them comes here, and what changes here is reported.
    ///
    /// With a `cursor` of an earlier observation every change since then is reported first. An engine without cursors
    /// ([`Capabilities::cursor`] is false) ignores it and reports changes from now on; the coordinator then reconciles by [`scan`](Self::scan). Own writes are
    /// reported too, whatever has become of the document since; and a document that matched for a while between two reports, so that a fetch or a scan may
    /// have met it, is reported though it does not match any more.
    ///
    /// # Errors
    /// When the engine refuses the query, or does not know the cursor ([`StoreError::CursorLost`]).
    fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> impl Future<Output = Result<Self::Observation, StoreError>> + Send;

    /// Whether this store holds all that `frontier` (of another store or an earlier life) stands for. `None`: this engine cannot tell.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn covers(&self, frontier: &Frontier) -> impl Future<Output = Result<Option<bool>, StoreError>> + Send {
        let _ = frontier;
        async { Ok(None) }
    }

    /// Whether another device has confirmed that it holds what this batch wrote. `None`: this engine cannot tell.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn confirmed(&self, batch: BatchId) -> impl Future<Output = Result<Option<bool>, StoreError>> + Send {
        let _ = batch;
        async { Ok(None) }
    }

    /// Removes documents from this device only; peers keep them.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] unless [`Capabilities::evict`].
    fn evict(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let _ = (model, ids);
        async { Err(StoreError::Unsupported("evict")) }
    }
}

/// A running observation. Back-pressured: the next batch is made when it is asked for, and changes meanwhile are merged into it.
pub trait Observation: Send + 'static {
    /// The next changes; waits until there are some. Ids may repeat, and may be reported though nothing changed.
    ///
    /// Cancellation safe: a batch that was not returned is reported by the next call.
    ///
    /// # Errors
    /// When the observation broke; observe again, from the last applied cursor.
    fn next(&mut self) -> impl Future<Output = Result<ChangeBatch, StoreError>> + Send;

    /// For each of these documents its hash ([`ModelDescriptor::hash_of`]) as this observation saw it last, where the engine had to read it anyway and it matched; `None` says nothing. What is
    /// not so any more will be reported by [`next`](Self::next), so a document that is what its row agreed on last need not be fetched when an observation begins: not one, after a restart
    /// without changes.
    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        vec![None; ids.len()]
    }
}

/// What an engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Observations resume from a [`Cursor`].
    pub cursor: bool,
    /// [`DocumentStore::covers`] answers.
    pub frontier: bool,
    /// [`DocumentStore::evict`] works.
    pub evict: bool,
    /// Most operations that one intent should hold.
    pub intent_operations_max: usize,
}

impl Capabilities {
    /// An engine that can do nothing special, taking this many operations in one intent.
    #[must_use]
    pub const fn new(intent_operations_max: usize) -> Self {
        Self {
            cursor: false,
            frontier: false,
            evict: false,
            intent_operations_max,
        }
    }

    /// Observations resume from a [`Cursor`].
    #[must_use]
    pub const fn with_cursor(mut self) -> Self {
        self.cursor = true;
        self
    }

    /// [`DocumentStore::covers`] answers.
    #[must_use]
    pub const fn with_frontier(mut self) -> Self {
        self.frontier = true;
        self
    }

    /// [`DocumentStore::evict`] works.
    #[must_use]
    pub const fn with_evict(mut self) -> Self {
        self.evict = true;
        self
    }
}

/// Which store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Made at random when the store's directory was created.
    pub store: StoreId,
    /// The sequence of the last batch of the asking replica that was applied.
    pub last_applied: Option<u64>,
    /// What the store holds, where the engine can say.
    pub frontier: Option<Frontier>,
}

/// The random name of one life of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoreId(pub SmolStr);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a store holds (a version vector), opaque to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier(pub Vec<u8>);

/// A position in a store's changes, opaque to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub Vec<u8>);

/// How a write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Applied, now or by an earlier call.
    Applied,
    /// Nothing was applied: these documents are not what the intent was computed against.
    Stale(Vec<StaleId>),
}

/// A document that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleId {
    /// Its model.
    pub collection: &'static str,
    /// Its id.
    pub id: DocumentId,
}

/// A complete list of ids.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// All ids that match.
    pub ids: IdList,
    /// The moment, for engines that have cursors.
    pub cursor: Option<Cursor>,
}

/// Changes seen by an observation.
#[derive(Debug, Clone, Default)]
pub struct ChangeBatch {
    /// What changed. A hint: the coordinator fetches the current documents.
    pub changes: Vec<Change>,
    /// Up to where: once these changes are applied, an observation may resume here.
    pub cursor: Option<Cursor>,
    /// The engine could not say what changed: scan.
    pub rescan: bool,
    /// Own writes that gave way to concurrent ones of others, where the engine can see that. A report, not a change.
    pub overwritten: Vec<Overwritten>,
}

/// Own writes to one document that a concurrent write of another device has replaced, by the rule of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Overwritten {
    /// The document.
    pub id: DocumentId,
    /// The fields, with both values.
    pub fields: Vec<OverwrittenField>,
}

/// One field of them.
#[derive(Debug, Clone, PartialEq)]
pub struct OverwrittenField {
    /// Its name in the document.
    pub field: FieldName,
    /// What was written here.
    pub ours: Value,
    /// What stands there now; `None` when the document was deleted, or the field with it.
    pub theirs: Option<Value>,
}

/// One changed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its id.
    pub id: DocumentId,
    /// What happened to it, as far as the engine knows.
    pub kind: ChangeKind,
    /// The hash of the document ([`ModelDescriptor::hash_of`]) as the store has just seen it, where it has it at hand. A document that is what its row agreed on last, as the echo of an own
    /// write is, need not be fetched then. What becomes of the document afterwards is reported again.
    pub hash: Option<ContentHash>,
}

impl Change {
    /// A change of a document that has to be fetched to know what it is now.
    #[must_use]
    pub fn new(id: DocumentId, kind: ChangeKind) -> Self {
        Self { id, kind, hash: None }
    }

    /// The same, with the hash of the document as it was just seen.
    #[must_use]
    pub fn with_hash(mut self, hash: Option<ContentHash>) -> Self {
        self.hash = hash;
        self
    }
}

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Written, or unknown.
    Upserted,
    /// Deleted.
    Deleted,
    /// It matches the query no longer, or lives in another partition now; it was not deleted.
    Moved,
}

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// These operations will never be taken; the rest would be.
    #[error("the store refuses {} of the operations", .0.len())]
    Rejected(Vec<Rejection>),
    /// Out of reach for now.
    #[error("the store could not {action}")]
    Unavailable {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: Source,
    },
    /// The engine failed in a way that repeating does not mend.
    #[error("the store failed to {action}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: Source,
    },
    /// The cursor is of another store or too old: reconcile.
    #[error("the store does not know this cursor")]
    CursorLost,
    /// The engine cannot do this.
    #[error("this store cannot {0}")]
    Unsupported(&'static str),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
    /// No store is there for now, or another one than before: wait for [`DocumentStore::attached`].
    #[error("no store is attached")]
    Detached,
}

impl StoreError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::CursorLost | Self::Detached => ErrorKind::Transient,
            Self::Rejected(_) | Self::Failed { .. } | Self::Unsupported(_) | Self::Closed => {
                ErrorKind::Permanent
            }
        }
    }
}

/// One operation that a store will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its model.
    pub collection: &'static str,
    /// Its document.
    pub id: DocumentId,
    /// Why, naming the field where there is one.
    pub reason: String,
}
