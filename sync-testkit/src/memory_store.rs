//! A document store in memory that merges as the executable model says: [`MemoryStore`], and [`MemoryHub`] where its peers live.
//!
//! Two flavors stand for the two kinds of engines. Everything a test needs to make it misbehave is an inherent method. It is deterministic:
//! the same seed and the same calls give the same results, until the network goes live.

mod change_log;
mod counter;
mod document_state;
mod fault;
mod hub;
mod id_hash;
mod message;
mod network;
mod observation;
mod peer;
mod replica;
mod stamp;
mod value_order;
mod witness;
mod write;

use std::sync::Arc;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Intent, ReplicaId},
    query::Query,
    rules::{Rule, off},
    store::{
        Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreId, StoreIdentity, WriteOutcome,
    },
};

pub(crate) use self::witness::{Lost, Tags};
pub use self::{
    fault::{Fault, StoreCall},
    hub::{MemoryConfig, MemoryHub},
    network::{LinkConfig, Network},
    observation::MemoryObservation,
};
use self::{message::Versions, peer::Peer, write::WriteContext};

/// Which kind of engine a memory store behaves like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// Tombstones, husks, a hybrid clock; no cursors, no frontiers.
    Ditto,
    /// A deletion register, seed keys, Lamport time; cursors and frontiers.
    Mesh,
}

/// A document store in memory. Clones are the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    hub: MemoryHub,
    peer: Arc<Peer>,
}

impl MemoryStore {
    fn new(hub: MemoryHub, peer: Arc<Peer>) -> Self {
        Self { hub, peer }
    }

    /// The name it was opened under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.peer.name
    }

    /// The hub it lives in.
    #[must_use]
    pub fn hub(&self) -> &MemoryHub {
        &self.hub
    }

    /// Its id in this life.
    #[must_use]
    pub fn store_id(&self) -> StoreId {
        StoreId(self.peer.lock().replica.store_id.as_str().into())
    }

    /// All documents that readers see, by id. Never fails, whatever faults are set.
    #[must_use]
    pub fn documents(&self, model: &'static ModelDescriptor) -> Vec<(DocumentId, Document)> {
        let state = self.peer.lock();
        let present = state.replica.present(model);
        let mut documents: Vec<_> = present
            .filter_map(|(id, state)| Some((id.clone(), state.view()?)))
            .collect();
        documents.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        documents
    }

    /// What the engine itself shows of a document, even if it is a husk.
    #[must_use]
    pub fn raw_document(&self, model: &'static ModelDescriptor, id: &DocumentId) -> Option<Document> {
        self.peer.lock().replica.state(model.collection(), id)?.view()
    }

    /// How many operations own writes have applied in this life of the store: does not move while the mesh is silent.
    #[must_use]
    pub fn operations_applied(&self) -> u64 {
        self.peer.lock().replica.operations
    }

    /// How many changes, own and merged, this life of the store has seen.
    #[must_use]
    pub fn changes_seen(&self) -> u64 {
        self.peer.lock().replica.position()
    }

    /// The next `count` calls fail so. Calls of observations are not counted.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        let mut faults = self.peer.faults();
        faults.next.extend(std::iter::repeat_n(fault, count));
    }

    /// Asks `hook` at each call whether and how it fails. It must not call the store. Replaces the hook of before.
    pub fn set_fault_hook(&self, hook: impl FnMut(StoreCall<'_>) -> Option<Fault> + Send + 'static) {
        self.peer.faults().hook = Some(Box::new(hook));
    }

    /// Calls fail no more: no hook, no failures to come, no ids refused.
    pub fn clear_faults(&self) {
        *self.peer.faults() = fault::Faults::default();
    }

    /// Every write of this document is rejected, with this reason.
    pub fn reject_id(&self, model: &'static ModelDescriptor, id: DocumentId, reason: impl Into<String>) {
        let key = (model.collection().to_owned(), id);
        self.peer.faults().rejected.insert(key, reason.into());
    }

    /// Writes of this document are taken again.
    pub fn accept_id(&self, model: &'static ModelDescriptor, id: DocumentId) {
        self.peer
            .faults()
            .rejected
            .remove(&(model.collection().to_owned(), id));
    }

    /// While on, observations report nothing. What changes meanwhile the Ditto flavor never reports; the mesh flavor reports it with the next
    /// change after.
    pub fn drop_notifications(&self, on: bool) {
        self.peer.lock().muted = on;
    }

    /// Makes each observation report some documents though nothing changed.
    pub fn spurious_notification(&self) {
        self.peer.lock().signals.spurious += 1;
        self.peer.notify();
    }

    /// Makes each observation ask for a scan.
    pub fn request_rescan(&self) {
        self.peer.lock().signals.rescan += 1;
        self.peer.notify();
    }

    /// Makes each observation fail once, as one does whose engine restarted.
    pub fn break_observations(&self) {
        self.peer.lock().signals.broken += 1;
        self.peer.notify();
    }

    /// Carries out `call` with the fault that a test wants of it.
    fn call<T>(
        &self,
        call: StoreCall<'_>,
        carry_out: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.peer.fault(call) {
            None => carry_out(),
            Some(fault) => {
                if fault == Fault::UnknownOutcome {
                    carry_out()?;
                }
                Err(fault.to_error(call.action()))
            }
        }
    }

    fn apply(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let config = &self.hub.inner.config;
        let now = self.hub.inner.tick();
        let rejected = self.peer.faults().rejected.clone();
        let mut state = self.peer.lock();
        let before = state.replica.position();
        let context = WriteContext {
            physical: now + state.skew,
            document_bytes_max: config.document_bytes_max,
            any_value: config.any_value,
            silent: state.silences(),
        };
        let outcome = write::write(&mut state.replica, intent, context, |operation| {
            if rejected.is_empty() {
                return None;
            }
            rejected
                .get(&(operation.model.collection().to_owned(), operation.id.clone()))
                .cloned()
        })?;
        let changed = state.replica.position() != before;
        drop(state);
        if changed {
            self.peer.notify();
            self.hub.inner.written(&self.peer);
        }
        Ok(outcome)
    }

    fn matching_ids(&self, model: &'static ModelDescriptor, query: &Query) -> Scan {
        let state = self.peer.lock();
        let replica = &state.replica;
        let matches = |state: &document_state::DocumentState| {
            query.filter().is_none() || state.view().is_some_and(|document| query.matches(&document))
        };
        let present = replica.present(model);
        let mut ids: Vec<_> = present
            .filter(|(_, state)| matches(state))
            .map(|(id, _)| id.clone())
            .collect();
        let mesh = replica.flavor == Flavor::Mesh;
        let cursor = mesh.then(|| message::cursor(replica.position(), &replica.store_id));
        drop(state);
        ids.sort_unstable();
        let ids = ids.into_iter().collect();
        Scan { ids, cursor }
    }
}

impl DocumentStore for MemoryStore {
    type Observation = MemoryObservation;

    fn capabilities(&self) -> Capabilities {
        let config = &self.hub.inner.config;
        let capabilities = Capabilities::new(config.intent_operations_max).with_evict();
        match config.flavor {
            Flavor::Ditto => capabilities,
            Flavor::Mesh => capabilities.with_cursor().with_frontier(),
        }
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.call(StoreCall::Identity, || {
            let state = self.peer.lock();
            let held = &state.replica;
            Ok(StoreIdentity {
                store: StoreId(held.store_id.as_str().into()),
                last_applied: held.last_applied.get(&replica).copied(),
                frontier: (held.flavor == Flavor::Mesh).then(|| held.versions.to_frontier()),
            })
        })
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.call(StoreCall::Write(intent), || self.apply(intent))
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.call(StoreCall::Fetch(ids), || {
            let mut state = self.peer.lock();
            if off(Rule::NoHuskGc) && state.replica.flavor == Flavor::Ditto {
                let physical = self.hub.inner.tick() + state.skew;
                state.replica.collect_husks(model, physical);
            }
            let document = |id| {
                let document = state.replica.state(model.collection(), id)?.view()?;
                (!model.is_husk(&document)).then_some(document)
            };
            Ok(ids.iter().map(document).collect())
        })
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.call(StoreCall::Scan, || Ok(self.matching_ids(model, query)))
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<MemoryObservation, StoreError> {
        self.call(StoreCall::Observe, || {
            MemoryObservation::new(&self.peer, model, query, cursor)
        })
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.call(StoreCall::Covers, || {
            let state = self.peer.lock();
            if state.replica.flavor == Flavor::Ditto {
                return Ok(None);
            }
            // A frontier that is none of ours names writes we do not hold.
            let wanted = Versions::from_frontier(frontier);
            Ok(Some(
                wanted.is_some_and(|wanted| state.replica.versions.cover(&wanted)),
            ))
        })
    }

    async fn evict(&self, model: &'static ModelDescriptor, ids: &[DocumentId]) -> Result<(), StoreError> {
        self.call(StoreCall::Evict(ids), || {
            let mut state = self.peer.lock();
            state
                .replica
                .evict(model.collection(), ids, || self.hub.inner.new_writer());
            drop(state);
            self.peer.notify();
            Ok(())
        })
    }
}
