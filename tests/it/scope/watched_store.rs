//! A store that tells what it was asked for: [`WatchedStore`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ditto_sync::{Document, DocumentId, DocumentStore, ModelDescriptor, Observation, Query, StoreError};
use ditto_sync_core::{
    hash::ContentHash,
    intent::{Intent, ReplicaId},
    store::{Capabilities, ChangeBatch, Cursor, Frontier, Scan, StoreIdentity, WriteOutcome},
};
use ditto_sync_testkit::MemoryStore;

/// A memory store, and all that it was asked for.
#[derive(Clone)]
pub(crate) struct WatchedStore {
    inner: MemoryStore,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    asked: Vec<Asked>,
    observed: Vec<(&'static str, Query)>,
}

/// A question about documents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Observe(&'static str, Query),
    Scan(&'static str, Query),
    Fetch(&'static str),
}

/// An observation that is listed as long as it lives.
pub(crate) struct WatchedObservation {
    inner: <MemoryStore as DocumentStore>::Observation,
    listed: (&'static str, Query),
    log: Arc<Mutex<Log>>,
}

impl WatchedStore {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            log: Arc::default(),
        }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.log).asked.clone()
    }

    /// The observations that live now.
    pub(crate) fn observed(&self) -> Vec<(&'static str, Query)> {
        lock(&self.log).observed.clone()
    }
}

impl DocumentStore for WatchedStore {
    type Observation = WatchedObservation;

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.inner.identity(replica).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.inner.write(intent).await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        lock(&self.log).asked.push(Asked::Fetch(model.collection()));
        self.inner.fetch(model, ids).await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        let asked = Asked::Scan(model.collection(), query.clone());
        lock(&self.log).asked.push(asked);
        self.inner.scan(model, query).await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<WatchedObservation, StoreError> {
        let inner = self.inner.observe(model, query, cursor).await?;
        let listed = (model.collection(), query.clone());
        let mut log = lock(&self.log);
        log.asked.push(Asked::Observe(listed.0, listed.1.clone()));
        log.observed.push(listed.clone());
        Ok(WatchedObservation {
            inner,
            listed,
            log: Arc::clone(&self.log),
        })
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.inner.covers(frontier).await
    }
}

impl Observation for WatchedObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        self.inner.next().await
    }

    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        self.inner.seen(ids)
    }
}

impl Drop for WatchedObservation {
    fn drop(&mut self) {
        let mut log = lock(&self.log);
        if let Some(at) = log.observed.iter().position(|listed| *listed == self.listed) {
            log.observed.remove(at);
        }
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
