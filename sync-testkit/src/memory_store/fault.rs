//! Failures that a test asks for: [`Fault`], [`StoreCall`].

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use ditto_sync_core::{id::DocumentId, intent::Intent, store::StoreError};

/// How a call on a memory store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// [`StoreError::Unavailable`]; nothing was done.
    Unavailable,
    /// [`StoreError::Failed`]; nothing was done.
    Failed,
    /// The call is carried out and then answers [`StoreError::Unavailable`]: the caller cannot know.
    UnknownOutcome,
}

/// A call on a memory store, as a fault hook sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum StoreCall<'a> {
    /// `identity`.
    Identity,
    /// `write`.
    Write(&'a Intent),
    /// `fetch`.
    Fetch(&'a [DocumentId]),
    /// `scan`.
    Scan,
    /// `observe`.
    Observe,
    /// `next` of an observation that has something to report.
    Next,
    /// `covers`.
    Covers,
    /// `evict`.
    Evict(&'a [DocumentId]),
}

pub(super) type FaultHook = Box<dyn FnMut(StoreCall<'_>) -> Option<Fault> + Send>;

/// The failures to come of one peer.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) next: VecDeque<Fault>,
    pub(super) hook: Option<FaultHook>,
    /// Ids whose writes are refused, by collection and id, with the reason.
    pub(super) rejected: BTreeMap<(String, DocumentId), String>,
}

impl Fault {
    /// The error a caller sees of it.
    pub(super) fn to_error(self, action: &'static str) -> StoreError {
        let source = Box::new(Injected(self));
        match self {
            Self::Unavailable | Self::UnknownOutcome => StoreError::Unavailable { action, source },
            Self::Failed => StoreError::Failed { action, source },
        }
    }
}

impl Faults {
    /// The fault of this call: scripted ones first, then what the hook says. Scripted ones are not for observations, which run beside
    /// the calls that a test means.
    pub(super) fn of(&mut self, call: StoreCall<'_>) -> Option<Fault> {
        let scripted = match call {
            StoreCall::Next => None,
            _ => self.next.pop_front(),
        };
        scripted.or_else(|| self.hook.as_mut().and_then(|hook| hook(call)))
    }
}

impl StoreCall<'_> {
    /// The call in words, as errors say what could not be done.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Identity => "read its identity",
            Self::Write(_) => "write",
            Self::Fetch(_) => "fetch documents",
            Self::Scan => "scan a collection",
            Self::Observe => "observe a collection",
            Self::Next => "report changes",
            Self::Covers => "compare frontiers",
            Self::Evict(_) => "evict documents",
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("next", &self.next)
            .field("hook", &self.hook.is_some())
            .field("rejected", &self.rejected)
            .finish()
    }
}

/// The cause of an injected failure.
#[derive(Debug, thiserror::Error)]
#[error("a test asked for this failure: {0:?}")]
struct Injected(Fault);
