//! A place for a store that may come later, go away and come back: [`StoreSlot`].
//!
//! Not here: what a coordinator does meanwhile (`coordinator::lifecycle`).

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::{Either, select};
use tokio::sync::watch;

use super::{
    Capabilities, ChangeBatch, Cursor, DocumentStore, Frontier, Observation, Scan, StoreError, StoreIdentity,
    WriteOutcome,
};
use crate::{
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
};

/// A place for a store. Start a coordinator on a clone of it, and put the store in when it is there: after a login, say; take it out when the engine has to
/// close, and put it, or another one, in again.
///
/// While it is empty, and after each change until [`attached`](DocumentStore::attached) has been called again on the same clone, every call fails with
/// [`StoreError::Detached`]; calls under way and observations of the former store end so too. So nobody takes one store for another. A store
/// that says [`StoreError::Closed`] is taken out by itself.
///
/// A clone is another handle on the same place.
pub struct StoreSlot<S: DocumentStore> {
    held: Arc<watch::Sender<Held<S>>>,
    /// The generation that whoever uses this handle knows of.
    acknowledged: AtomicU64,
}

/// What is in the place.
struct Held<S> {
    /// Another one after every change.
    generation: u64,
    store: Option<Arc<S>>,
    /// Of the store, or of the one before.
    capabilities: Capabilities,
}

/// No store is in its first generation.
const NEVER: u64 = 0;

impl<S: DocumentStore> StoreSlot<S> {
    /// Without a store.
    #[must_use]
    pub fn empty() -> Self {
        let held = Held {
            generation: NEVER,
            store: None,
            capabilities: Capabilities::new(1),
        };
        Self {
            held: Arc::new(watch::Sender::new(held)),
            acknowledged: AtomicU64::new(NEVER),
        }
    }

    /// With this store.
    #[must_use]
    pub fn of(store: S) -> Self {
        let slot = Self::empty();
        slot.set_store(Some(store));
        slot
    }

    /// Puts a store in, or takes it out. The same store once more counts as another one: what was under way with it ends.
    ///
    /// Returns at once; the coordinator lets go of the former store when it runs next, and says so by
    /// [`Phase::AwaitingStore`](crate::status::Phase::AwaitingStore) where there is no other.
    pub fn set_store(&self, store: Option<S>) {
        let store = store.map(Arc::new);
        let capabilities = store.as_ref().map(|store| store.capabilities());
        self.held.send_modify(|held| {
            held.generation += 1;
            held.store = store;
            held.capabilities = capabilities.unwrap_or(held.capabilities);
        });
    }

    /// The store that is in it now.
    #[must_use]
    pub fn store(&self) -> Option<Arc<S>> {
        self.held.borrow().store.clone()
    }

    /// The store, if it is the one that was acknowledged.
    fn attachment(&self) -> Result<(u64, Arc<S>), StoreError> {
        let held = self.held.borrow();
        match &held.store {
            Some(store) if held.generation == self.acknowledged.load(Ordering::Acquire) => {
                Ok((held.generation, Arc::clone(store)))
            }
            _ => Err(StoreError::Detached),
        }
    }

    /// Carries out a call on the store, unless that goes away first.
    async fn call<T, F>(&self, call: impl FnOnce(Arc<S>) -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send,
        T: Send,
    {
        let (generation, store) = self.attachment()?;
        guarded(&self.held, generation, call(store)).await
    }
}

/// The outcome of `call`, which is about the store of this generation.
async fn guarded<S: DocumentStore, T>(
    held: &watch::Sender<Held<S>>,
    generation: u64,
    call: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let mut changes = held.subscribe();
    let gone = pin!(async {
        // The sender is borrowed, so the wait cannot fail.
        let _ = changes.wait_for(|held| held.generation != generation).await;
    });
    match select(gone, pin!(call)).await {
        Either::Left(((), _)) => Err(StoreError::Detached),
        Either::Right((Err(StoreError::Closed), _)) => {
            held.send_if_modified(|held| {
                let same = held.generation == generation;
                if same {
                    held.generation += 1;
                    held.store = None;
                }
                same
            });
            Err(StoreError::Detached)
        }
        Either::Right((outcome, _)) => outcome,
    }
}

impl<S: DocumentStore> Clone for StoreSlot<S> {
    fn clone(&self) -> Self {
        Self {
            held: Arc::clone(&self.held),
            acknowledged: AtomicU64::new(NEVER),
        }
    }
}

impl<S: DocumentStore> Default for StoreSlot<S> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<S: DocumentStore> fmt::Debug for StoreSlot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held.borrow();
        f.debug_struct("StoreSlot")
            .field("generation", &held.generation)
            .field("is_empty", &held.store.is_none())
            .finish()
    }
}

impl<S: DocumentStore> DocumentStore for StoreSlot<S> {
    type Observation = SlotObservation<S>;

    fn capabilities(&self) -> Capabilities {
        self.held.borrow().capabilities
    }

    async fn attached(&self) {
        let mut changes = self.held.subscribe();
        let there = changes.wait_for(|held| held.store.is_some()).await;
        if let Ok(held) = there {
            self.acknowledged.store(held.generation, Ordering::Release);
        }
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.call(|store| async move { store.identity(replica).await })
            .await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.call(|store| async move { store.write(intent).await }).await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.call(|store| async move { store.fetch(model, ids).await })
            .await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.call(|store| async move { store.scan(model, query).await })
            .await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<SlotObservation<S>, StoreError> {
        let (generation, store) = self.attachment()?;
        let observe = async move { store.observe(model, query, cursor).await };
        let inner = guarded(&self.held, generation, observe).await?;
        Ok(SlotObservation {
            inner,
            held: Arc::clone(&self.held),
            generation,
        })
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.call(|store| async move { store.covers(frontier).await })
            .await
    }

    async fn confirmed(&self, batch: BatchId) -> Result<Option<bool>, StoreError> {
        self.call(|store| async move { store.confirmed(batch).await })
            .await
    }

    async fn evict(&self, model: &'static ModelDescriptor, ids: &[DocumentId]) -> Result<(), StoreError> {
        self.call(|store| async move { store.evict(model, ids).await })
            .await
    }
}

/// An observation of the store in a [`StoreSlot`]; ends when that goes away.
pub struct SlotObservation<S: DocumentStore> {
    inner: S::Observation,
    held: Arc<watch::Sender<Held<S>>>,
    generation: u64,
}

impl<S: DocumentStore> Observation for SlotObservation<S> {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        guarded(&self.held, self.generation, self.inner.next()).await
    }

    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        self.inner.seen(ids)
    }
}
