//! The store on the real engine: [`DittoStore`]. Only this subtree names the Ditto SDK.
//!
//! Read in this order: `worker` and `transaction` (who may call the engine, and how), `writing`, `reading`, `watch`, `observation`, `opening`.

mod bookkeeping;
mod error;
mod logging;
mod observation;
mod opening;
mod peers;
mod reading;
mod transaction;
mod watch;
mod worker;
mod writing;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
    store::{
        Capabilities, Cursor, DocumentStore, Rejection, Scan, StoreError, StoreId, StoreIdentity,
        WriteOutcome,
    },
};
use dittolive_ditto::{Ditto, DittoConfig};
use tokio::sync::oneshot;

/// The SDK that this store is built on, in its exact version.
pub use dittolive_ditto as sdk;

use self::{
    error::EngineError,
    peers::Commits,
    transaction::Transactions,
    watch::Watches,
    worker::Worker,
    writing::{Batch, Written},
};
pub use self::{
    error::OpenError,
    logging::route_logs_to_tracing,
    observation::DittoObservation,
    peers::{PeerReach, Reach},
};
use crate::{
    limits::INTENT_OPERATIONS_MAX,
    refusal::{collection_refusal, refusals},
    statement,
};

/// A document store on the Ditto SDK. Clones are the same store.
///
/// All calls of the engine are made by threads of the store, each to its end: callers may time out, be dropped, and come from any runtime.
#[derive(Debug, Clone)]
pub struct DittoStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// Gone once the store is closed.
    ditto: Mutex<Option<Arc<Ditto>>>,
    store_id: StoreId,
    watches: Watches,
    commits: Commits,
    /// Makes every write transaction: the engine takes one at a time, and one begun within another would wait for ever.
    writer: Worker,
    /// Answers quick questions.
    reader: Worker,
    /// Looks at whole collections.
    watcher: Worker,
    ends: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl DittoStore {
    /// Opens a Ditto and a store on it. A directory that another Ditto has not let go of yet is tried for some seconds.
    ///
    /// Identity, license and sync are the caller's affair: see [`ditto`](Self::ditto).
    ///
    /// Cancellation: safe; what was opened is closed again.
    ///
    /// # Errors
    /// When the directory is relative or in use, or the engine cannot be opened.
    pub async fn open(config: DittoConfig) -> Result<Self, OpenError> {
        Self::new(opening::open(config).await?).await
    }

    /// A store on a Ditto of your own, already opened, identified and authenticated as you like.
    ///
    /// It sets the sync scope of its bookkeeping collection, `ditto_sync_bookkeeping`, to `LocalPeerOnly` and keeps the others'. Whoever sets
    /// `USER_COLLECTION_SYNC_SCOPES` later has to keep it, too.
    ///
    /// # Errors
    /// When the bookkeeping cannot be made ready.
    pub async fn new(ditto: impl Into<Arc<Ditto>>) -> Result<Self, OpenError> {
        let ditto = ditto.into();
        let start = |name: &str| Worker::start(name, ditto.store().clone()).map_err(OpenError::Thread);
        let (writer, writer_end) = start("ditto-sync write")?;
        let (reader, reader_end) = start("ditto-sync read")?;
        let (watcher, watcher_end) = start("ditto-sync watch")?;
        let store_id = opening::prepare(&writer).await?;
        let inner = Inner {
            ditto: Mutex::new(Some(ditto)),
            store_id,
            watches: Watches::default(),
            commits: Commits::default(),
            writer,
            reader,
            watcher,
            ends: Mutex::new(vec![writer_end, reader_end, watcher_end]),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The Ditto below: for authentication, presence, transports and sync. Never call `store().execute` in a way that waits for a transaction of
    /// this store, and leave the documents of synced models to the tables.
    ///
    /// # Errors
    /// [`StoreError::Closed`] after [`close`](Self::close).
    pub fn ditto(&self) -> Result<Arc<Ditto>, StoreError> {
        self.inner.ditto()
    }

    /// How far a batch has got beyond this device; `None` for one that was not written by this process, or too long ago. The batch that carried a
    /// row is in its receipt.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reach(&self, batch: BatchId) -> Result<Option<Reach>, StoreError> {
        let Some(commit) = self.inner.commits.of(batch) else {
            return Ok(None);
        };
        let reach = self
            .inner
            .reader
            .run("tell how far a batch has got", move |transactions| {
                peers::reach(transactions, commit)
            });
        reach.await.map(Some)
    }

    /// Ends the store's work after what was asked of it so far, and lets go of the Ditto, which closes unless the caller holds it too. All clones
    /// are closed with it; drop their observations first.
    pub async fn close(&self) {
        for worker in [&self.inner.writer, &self.inner.reader, &self.inner.watcher] {
            worker.stop().await;
        }
        let ends = std::mem::take(&mut *self.inner.ends.lock().unwrap_or_else(PoisonError::into_inner));
        for end in ends {
            // A thread that is gone has ended.
            let _ = end.await;
        }
        let ditto = self
            .inner
            .ditto
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ditto) = ditto {
            opening::release(ditto).await;
        }
    }
}

impl Inner {
    fn ditto(&self) -> Result<Arc<Ditto>, StoreError> {
        let ditto = self.ditto.lock().unwrap_or_else(PoisonError::into_inner);
        ditto.clone().ok_or(StoreError::Closed)
    }

    /// Writes a batch and tells the observations.
    fn write(&self, transactions: &Transactions, batch: &Batch) -> Result<WriteOutcome, EngineError> {
        match writing::write(transactions, batch)? {
            Written::Stale(stale) => return Ok(WriteOutcome::Stale(stale)),
            Written::Before => return Ok(WriteOutcome::Applied),
            Written::Now(commit) => self.commits.note(batch.id, commit),
        }
        let mut collections: BTreeMap<&str, Vec<&DocumentId>> = BTreeMap::new();
        for step in &batch.operations {
            collections
                .entry(step.model.collection())
                .or_default()
                .push(&step.id);
        }
        for (collection, ids) in collections {
            self.watches.wrote(collection, &ids);
        }
        Ok(WriteOutcome::Applied)
    }
}

/// A name that the engine would end the process over never reaches it.
fn require_name(model: &ModelDescriptor, action: &'static str) -> Result<(), StoreError> {
    collection_refusal(model.collection()).map_or(Ok(()), |reason| {
        let source = reason.into();
        Err(StoreError::Failed { action, source })
    })
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("store_id", &self.store_id)
            .finish_non_exhaustive()
    }
}

impl DocumentStore for DittoStore {
    type Observation = DittoObservation;

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(INTENT_OPERATIONS_MAX).with_evict()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        // By the writer, so that a write whose caller has gone is counted.
        let last = self.inner.writer.run("tell who it is", move |transactions| {
            transactions.read(async |call| bookkeeping::last_applied(call, replica).await)
        });
        Ok(StoreIdentity {
            store: self.inner.store_id.clone(),
            last_applied: last.await?,
            frontier: None,
        })
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let refused = refusals(&intent.operations);
        if !refused.is_empty() {
            return Err(StoreError::Rejected(refused));
        }
        let (inner, batch) = (Arc::clone(&self.inner), Batch::of(intent));
        let outcome = self
            .inner
            .writer
            .run("write", move |transactions| inner.write(transactions, &batch))
            .await;
        match (outcome, intent.operations.as_slice()) {
            // The engine refuses the statement whatever is tried, and there is only one that it can mean.
            (Err(StoreError::Failed { source, .. }), [only]) => Err(StoreError::Rejected(vec![Rejection {
                collection: only.model.collection(),
                id: only.id.clone(),
                reason: source.to_string(),
            }])),
            (outcome, _) => outcome,
        }
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        require_name(model, "fetch")?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (inner, ids) = (Arc::clone(&self.inner), ids.to_vec());
        let fetched = self.inner.reader.run("fetch", move |transactions| {
            let mut found = reading::fetch(transactions, model, &ids)?;
            inner.watches.met(model.collection(), &ids, &found);
            found.retain(|_, found| !model.is_husk(&found.document));
            let document = |id| found.get(id).map(|found| found.document.clone());
            Ok(ids.iter().map(document).collect())
        });
        fetched.await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        require_name(model, "scan")?;
        let (inner, query) = (Arc::clone(&self.inner), query.clone());
        let scanned = self.inner.reader.run("scan", move |transactions| {
            let ids = reading::scan(transactions, model, &query)?;
            inner.watches.scanned(model.collection(), &ids);
            Ok(ids)
        });
        let ids = scanned.await?;
        Ok(Scan { ids, cursor: None })
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        _cursor: Option<&Cursor>,
    ) -> Result<DittoObservation, StoreError> {
        require_name(model, "observe a collection")?;
        DittoObservation::begin(&self.inner, model, query).await
    }

    async fn evict(&self, model: &'static ModelDescriptor, ids: &[DocumentId]) -> Result<(), StoreError> {
        require_name(model, "evict")?;
        let (inner, ids) = (Arc::clone(&self.inner), ids.to_vec());
        let evicted = self.inner.writer.run("evict", move |transactions| {
            let ids: Vec<_> = ids.iter().collect();
            transactions.write(async |call| {
                let evicted = call.change(statement::evict(model.collection(), &ids)).await?;
                Ok(transaction::Ending::Commit(evicted))
            })?;
            inner.watches.wrote(model.collection(), &ids);
            Ok(())
        });
        evicted.await
    }
}
