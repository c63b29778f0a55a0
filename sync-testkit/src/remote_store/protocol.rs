//! What device and host say to each other, and how it becomes the values of the contract again.
//!
//! A model travels as the name of its collection; each side resolves it among its own models.

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    error::ErrorKind,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId},
    query::Query,
    store::{
        Capabilities, Change, ChangeBatch, ChangeKind, Cursor, Frontier, Rejection, Scan, StaleId,
        StoreError, StoreId, StoreIdentity, WriteOutcome,
    },
};
use serde::{Deserialize, Serialize};

/// A question, and the number that its answer bears.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first one: which store.
    Open(String),
    Identity(ReplicaId),
    Write(WireIntent),
    Fetch(String, Vec<DocumentId>),
    Scan(String, Query),
    /// The client numbers its observations.
    Observe(u64, String, Query, Option<Cursor>),
    /// Answered when this observation has something to report.
    Next(u64),
    /// Not answered.
    StopObserving(u64),
    Covers(Frontier),
    Evict(String, Vec<DocumentId>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) number: u64,
    pub(super) answer: Result<Answer, WireError>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Opened(WireCapabilities),
    Identity(StoreId, Option<u64>, Option<Frontier>),
    Applied,
    Stale(Vec<(String, DocumentId)>),
    Documents(Vec<Option<Document>>),
    Scanned(Vec<DocumentId>, Option<Cursor>),
    Observing,
    Changes(WireBatch),
    Covers(Option<bool>),
    Evicted,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireCapabilities {
    cursor: bool,
    frontier: bool,
    evict: bool,
    intent_operations_max: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireIntent {
    batch: BatchId,
    operations: Vec<(String, DocumentId, Expect, Action, Record)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireBatch {
    changes: Vec<(DocumentId, WireChange, Option<ContentHash>)>,
    cursor: Option<Cursor>,
    rescan: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum WireChange {
    Upserted,
    Deleted,
    Moved,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireError {
    Rejected(Vec<(String, DocumentId, String)>),
    /// In words: the action is the client's.
    Unavailable(String),
    Failed(String),
    CursorLost,
    Unsupported,
    Closed,
}

/// The failure on the other side, in its words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Remote(pub(super) String);

/// The model of this collection.
pub(super) fn model_of(
    models: &[&'static ModelDescriptor],
    collection: &str,
) -> Result<&'static ModelDescriptor, WireError> {
    let found = models.iter().find(|model| model.collection() == collection);
    found
        .copied()
        .ok_or_else(|| WireError::Failed(format!("there is no model of the collection `{collection}` here")))
}

impl From<Capabilities> for WireCapabilities {
    fn from(capabilities: Capabilities) -> Self {
        Self {
            cursor: capabilities.cursor,
            frontier: capabilities.frontier,
            evict: capabilities.evict,
            intent_operations_max: capabilities.intent_operations_max,
        }
    }
}

impl From<WireCapabilities> for Capabilities {
    fn from(wire: WireCapabilities) -> Self {
        let mut capabilities = Self::new(wire.intent_operations_max);
        capabilities.cursor = wire.cursor;
        capabilities.frontier = wire.frontier;
        capabilities.evict = wire.evict;
        capabilities
    }
}

impl From<&Intent> for WireIntent {
    fn from(intent: &Intent) -> Self {
        let operations = intent.operations.iter().map(|operation| {
            (
                operation.model.collection().to_owned(),
                operation.id.clone(),
                operation.expect,
                operation.action.clone(),
                operation.record.clone(),
            )
        });
        Self {
            batch: intent.batch,
            operations: operations.collect(),
        }
    }
}

impl WireIntent {
    pub(super) fn resolve(self, models: &[&'static ModelDescriptor]) -> Result<Intent, WireError> {
        let operations = self.operations.into_iter();
        let operations = operations.map(|(collection, id, expect, action, record)| {
            Ok(Operation {
                model: model_of(models, &collection)?,
                id,
                expect,
                action,
                record,
            })
        });
        Ok(Intent {
            batch: self.batch,
            operations: operations.collect::<Result<_, WireError>>()?,
        })
    }
}

impl From<StoreIdentity> for Answer {
    fn from(identity: StoreIdentity) -> Self {
        Self::Identity(identity.store, identity.last_applied, identity.frontier)
    }
}

impl From<WriteOutcome> for Answer {
    fn from(outcome: WriteOutcome) -> Self {
        match outcome {
            WriteOutcome::Applied => Self::Applied,
            WriteOutcome::Stale(stale) => {
                let stale = stale.into_iter();
                Self::Stale(
                    stale
                        .map(|stale| (stale.collection.to_owned(), stale.id))
                        .collect(),
                )
            }
        }
    }
}

impl From<Scan> for Answer {
    fn from(scan: Scan) -> Self {
        Self::Scanned(scan.ids.into_iter().collect(), scan.cursor)
    }
}

impl From<ChangeBatch> for Answer {
    fn from(batch: ChangeBatch) -> Self {
        let changes = batch.changes.into_iter().map(|change| {
            let kind = match change.kind {
                ChangeKind::Upserted => WireChange::Upserted,
                ChangeKind::Deleted => WireChange::Deleted,
                ChangeKind::Moved => WireChange::Moved,
            };
            (change.id, kind, change.hash)
        });
        Self::Changes(WireBatch {
            changes: changes.collect(),
            cursor: batch.cursor,
            rescan: batch.rescan,
        })
    }
}

impl From<WireBatch> for ChangeBatch {
    fn from(wire: WireBatch) -> Self {
        let changes = wire.changes.into_iter().map(|(id, kind, hash)| {
            let kind = match kind {
                WireChange::Upserted => ChangeKind::Upserted,
                WireChange::Deleted => ChangeKind::Deleted,
                WireChange::Moved => ChangeKind::Moved,
            };
            Change::new(id, kind).with_hash(hash)
        });
        Self {
            changes: changes.collect(),
            cursor: wire.cursor,
            rescan: wire.rescan,
            // The memory store behind it sees none.
            overwritten: Vec::new(),
        }
    }
}

/// The stale ids of `intent`, under the names of its own models.
pub(super) fn stale_of(intent: &Intent, stale: Vec<(String, DocumentId)>) -> Vec<StaleId> {
    let named = stale.into_iter().filter_map(|(collection, id)| {
        let collection = collection_of(intent, &collection)?;
        Some(StaleId { collection, id })
    });
    named.collect()
}

fn collection_of(intent: &Intent, collection: &str) -> Option<&'static str> {
    let operations = intent.operations.iter();
    let mut names = operations.map(|operation| operation.model.collection());
    names.find(|name| *name == collection)
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Rejected(rejections) => {
                let rejections = rejections.into_iter();
                Self::Rejected(
                    rejections
                        .map(|rejection| (rejection.collection.to_owned(), rejection.id, rejection.reason))
                        .collect(),
                )
            }
            StoreError::Unavailable { source, .. } => Self::Unavailable(source.to_string()),
            StoreError::Failed { source, .. } => Self::Failed(source.to_string()),
            StoreError::CursorLost => Self::CursorLost,
            StoreError::Unsupported(_) => Self::Unsupported,
            StoreError::Closed => Self::Closed,
            other if other.kind() == ErrorKind::Permanent => Self::Failed(other.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl WireError {
    /// The error of the contract. `action` says what was attempted; rejections are of operations of `intent`.
    pub(super) fn resolve(self, action: &'static str, intent: Option<&Intent>) -> StoreError {
        match self {
            Self::Rejected(rejections) => {
                let named = rejections.into_iter().filter_map(|(collection, id, reason)| {
                    Some(Rejection {
                        collection: collection_of(intent?, &collection)?,
                        id,
                        reason,
                    })
                });
                StoreError::Rejected(named.collect())
            }
            Self::Unavailable(words) => StoreError::Unavailable {
                action,
                source: Box::new(Remote(words)),
            },
            Self::Failed(words) => StoreError::Failed {
                action,
                source: Box::new(Remote(words)),
            },
            Self::CursorLost => StoreError::CursorLost,
            Self::Unsupported => StoreError::Unsupported(action),
            Self::Closed => StoreError::Closed,
        }
    }
}
