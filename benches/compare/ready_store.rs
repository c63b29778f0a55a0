//! A store that makes its documents up when they are asked for, and tells how long that took: [`ReadyStore`]. So what is measured with it is the way from a document to
//! a committed row, not a store.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ditto_sync::{
    DittoAdapter as _, Document, DocumentId, DocumentStore, ModelDescriptor, Observation, Query, StoreError,
    StoreId,
};
use ditto_sync_core::{
    id::{IdList, IdPart},
    intent::{Intent, ReplicaId},
    store::{Capabilities, Change, ChangeBatch, ChangeKind, Cursor, Scan, StoreIdentity, WriteOutcome},
};
use tokio::sync::Notify;

use crate::counters::{Counter, id_of, number_of};

/// The store; a clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct ReadyStore {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// That many documents exist.
    documents: AtomicUsize,
    /// In this version.
    version: AtomicI64,
    announced: Mutex<Option<Announced>>,
    report: Notify,
    fetched: AtomicUsize,
    all_fetched: Notify,
    awaited: AtomicUsize,
    /// Nanoseconds that went into making documents up.
    spent: AtomicU64,
    last_applied: Mutex<Option<u64>>,
}

/// A report that waits.
struct Announced {
    ids: Vec<DocumentId>,
    /// It says the hashes of the documents.
    hashed: bool,
}

/// Reports what is announced.
pub(crate) struct Announcements(Arc<Inner>);

/// Documents made up in one go, few enough to be at hand when they are hashed.
const AT_HAND: usize = 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ids of documents 0 up to this number.
pub(crate) fn ids(documents: usize) -> Vec<DocumentId> {
    let ids = (0..documents).map(|number| DocumentId::text(id_of(number)).expect("an id"));
    ids.collect()
}

impl ReadyStore {
    /// That many documents exist from now on, in this version.
    pub(crate) fn hold(&self, documents: usize, version: i64) {
        self.inner.documents.store(documents, Ordering::SeqCst);
        self.inner.version.store(version, Ordering::SeqCst);
    }

    /// Reports these documents; [`fetched`](Self::fetched) waits for them.
    pub(crate) fn announce(&self, ids: Vec<DocumentId>) {
        self.inner.awaited.store(ids.len(), Ordering::SeqCst);
        self.report(Announced { ids, hashed: false });
    }

    /// Reports these documents with their hashes, as a store does that has to read them to know that they changed. What it takes to hash them is not left out.
    pub(crate) fn announce_hashed(&self, ids: Vec<DocumentId>) {
        self.inner.awaited.store(0, Ordering::SeqCst);
        self.report(Announced { ids, hashed: true });
    }

    fn report(&self, announced: Announced) {
        self.inner.spent.store(0, Ordering::SeqCst);
        self.inner.fetched.store(0, Ordering::SeqCst);
        *lock(&self.inner.announced) = Some(announced);
        self.inner.report.notify_one();
    }

    /// How long it took to make the documents up, since the last report.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.inner.spent.load(Ordering::SeqCst))
    }

    /// Waits until as many documents have been fetched as were announced.
    pub(crate) async fn fetched(&self) {
        let inner = &self.inner;
        while inner.fetched.load(Ordering::SeqCst) < inner.awaited.load(Ordering::SeqCst) {
            inner.all_fetched.notified().await;
        }
    }

    /// How many documents were fetched since the last report.
    pub(crate) fn fetches(&self) -> usize {
        self.inner.fetched.load(Ordering::SeqCst)
    }
}

impl Inner {
    /// Does work that is the store's own.
    fn spend<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let outcome = work();
        let nanos = u64::try_from(started.elapsed().as_nanos()).expect("not centuries");
        self.spent.fetch_add(nanos, Ordering::SeqCst);
        outcome
    }

    fn documents(&self, ids: &[DocumentId]) -> Vec<Option<Document>> {
        self.spend(|| ids.iter().map(|id| self.document(id)).collect())
    }

    fn document(&self, id: &DocumentId) -> Option<Document> {
        match id.parts() {
            [IdPart::Text(text)] => {
                let number = number_of(text);
                let version = self.version.load(Ordering::SeqCst);
                (number < self.documents.load(Ordering::SeqCst))
                    .then(|| Counter::new(number, version).to_document())
            }
            other => panic!("{other:?} is no id of this bench"),
        }
    }

    fn changes(&self, Announced { ids, hashed }: Announced) -> Vec<Change> {
        let change = |id| Change::new(id, ChangeKind::Upserted);
        if !hashed {
            return ids.into_iter().map(change).collect();
        }
        let mut changes = Vec::with_capacity(ids.len());
        let mut ids = ids.into_iter().peekable();
        while ids.peek().is_some() {
            let ids: Vec<_> = ids.by_ref().take(AT_HAND).collect();
            let documents = self.documents(&ids);
            let hashed = ids.into_iter().zip(&documents).map(|(id, document)| {
                let hash = Counter::descriptor().hash_of(document.as_ref());
                change(id).with_hash(hash.expect("a row"))
            });
            changes.extend(hashed);
            self.spend(|| drop(documents));
        }
        changes
    }
}

impl DocumentStore for ReadyStore {
    type Observation = Announcements;

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(1000)
    }

    async fn identity(&self, _: ReplicaId) -> Result<StoreIdentity, StoreError> {
        Ok(StoreIdentity {
            store: StoreId("ready".into()),
            last_applied: *lock(&self.inner.last_applied),
            frontier: None,
        })
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        *lock(&self.inner.last_applied) = Some(intent.batch.sequence);
        Ok(WriteOutcome::Applied)
    }

    async fn fetch(
        &self,
        _: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let documents = self.inner.documents(ids);
        let fetched = self.inner.fetched.fetch_add(ids.len(), Ordering::SeqCst) + ids.len();
        if fetched >= self.inner.awaited.load(Ordering::SeqCst) {
            self.inner.all_fetched.notify_one();
        }
        Ok(documents)
    }

    async fn scan(&self, _: &'static ModelDescriptor, _: &Query) -> Result<Scan, StoreError> {
        let documents = self.inner.documents.load(Ordering::SeqCst);
        let ids = (0..documents).map(|number| DocumentId::text(id_of(number)).expect("an id"));
        let mut ids: Vec<_> = ids.collect();
        // As other stores do.
        ids.sort_unstable();
        Ok(Scan {
            ids: ids.into_iter().collect::<IdList>(),
            cursor: None,
        })
    }

    async fn observe(
        &self,
        _: &'static ModelDescriptor,
        _: &Query,
        _: Option<&Cursor>,
    ) -> Result<Announcements, StoreError> {
        Ok(Announcements(Arc::clone(&self.inner)))
    }
}

impl Observation for Announcements {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        loop {
            let report = self.0.report.notified();
            let announced = lock(&self.0.announced).take();
            if let Some(announced) = announced {
                return Ok(ChangeBatch {
                    changes: self.0.changes(announced),
                    ..ChangeBatch::default()
                });
            }
            report.await;
        }
    }
}
