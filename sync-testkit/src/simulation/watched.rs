//! Repository and store as a simulated coordinator sees them: they yield around every call, and note in the ledger what each commit means.

use std::{
    collections::HashSet,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use ditto_sync_core::{
    audit::{AuditedRow, RowDigest},
    descriptor::ModelDescriptor,
    document::Document,
    explain::{ConflictReport, RowTrace},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::{Intent, ReplicaId},
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    repository::{
        Acknowledged, Applied, Draft, DraftRequest, InboundBatch, InboundItem, Mark, PendingCount,
        Quarantined, Recovered, Recovery, Repository, RepositoryError, RowRef, SeedState, SyncState, Weighed,
    },
    scope::Scopes,
    store::{Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreIdentity, WriteOutcome},
};

use super::{
    family::Family,
    ledger::{Ledger, Notes, reported},
};
use crate::{
    memory_repository::MemoryRepository,
    memory_store::{MemoryObservation, MemoryStore, Tags},
};

/// What both sides of one device share with the simulation.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) family: Arc<Family>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) device: usize,
}

/// A store that yields, and notes what its documents meet.
pub(crate) struct WatchedStore {
    pub(crate) inner: MemoryStore,
    pub(crate) watch: Watch,
}

/// A repository that notes what its rows meet.
pub(crate) struct WatchedRepository {
    pub(crate) inner: MemoryRepository,
    pub(crate) watch: Watch,
    pub(crate) faults: Arc<Mutex<usize>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    fn say(&self, line: impl FnOnce() -> String) {
        lock(&self.ledger).say(|| format!("    {}: {}", self.device, line()));
    }
}

impl WatchedStore {
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        pause().await;
        let result = call.await;
        pause().await;
        result
    }
}

impl DocumentStore for WatchedStore {
    type Observation = MemoryObservation;

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.call(self.inner.identity(replica)).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.call(async {
            let before = self.inner.operations_applied();
            let outcome = self.inner.write(intent).await;
            self.watch.say(|| {
                let operations = intent.operations.iter();
                let operations: Vec<_> = operations
                    .map(|operation| format!("{} {:?}", operation.id, operation.action))
                    .collect();
                format!(
                    "write {} [{}] -> {outcome:?}",
                    intent.batch.sequence,
                    operations.join(", ")
                )
            });
            if self.inner.operations_applied() != before {
                let notes = lock(&self.watch.notes);
                for operation in &intent.operations {
                    let tags = notes.in_flight.get(&operation.id).copied().unwrap_or_default();
                    self.inner
                        .witness(operation.model.collection(), &operation.id, tags);
                }
            }
            outcome
        })
        .await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.call(async {
            let documents = self.inner.fetch(model, ids).await;
            let mut notes = lock(&self.watch.notes);
            for id in ids {
                let met = self.inner.witnessed(model.collection(), id);
                notes.fetched.insert(id.clone(), met);
            }
            documents
        })
        .await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.call(self.inner.scan(model, query)).await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<MemoryObservation, StoreError> {
        self.call(self.inner.observe(model, query, cursor)).await
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.call(self.inner.covers(frontier)).await
    }
}

impl WatchedRepository {
    /// Carries out `call`; `committed` is called in the moment in which its transaction was committed, with the unacknowledged and the met changes of every
    /// row before it.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, RepositoryError>>,
        mut committed: impl FnMut(&mut Notes, &MemoryRepository),
    ) -> Result<T, RepositoryError> {
        if self.takes_fault() {
            return Err(RepositoryError::Failed {
                action: "reach the database",
                source: "the fault that the simulation injected".into(),
            });
        }
        let mut call = pin!(call);
        poll_fn(|context| {
            let before = self.inner.transactions();
            let reports = self.inner.conflicts().len();
            let pending = self.before();
            let polled = call.as_mut().poll(context);
            if self.inner.transactions() != before {
                let mut notes = lock(&self.watch.notes);
                for conflict in self.inner.conflicts().iter().skip(reports) {
                    let of = |found: &&(DocumentId, Tags, Tags)| found.0 == conflict.id;
                    let (_, pending, met) = pending.iter().find(of).cloned().unwrap_or((
                        conflict.id.clone(),
                        Tags::default(),
                        Tags::default(),
                    ));
                    let mut ledger = lock(&self.watch.ledger);
                    reported(&mut ledger, &self.watch.family, conflict, (pending, met));
                }
                committed(&mut notes, &self.inner);
                let mut ledger = lock(&self.watch.ledger);
                notes.cascaded(&mut ledger, &self.watch.family, (&self.inner, self.watch.device));
            }
            polled
        })
        .await
    }

    fn takes_fault(&self) -> bool {
        let mut faults = lock(&self.faults);
        let any = *faults > 0;
        *faults = faults.saturating_sub(1);
        any
    }

    fn before(&self) -> Vec<(DocumentId, Tags, Tags)> {
        let (family, notes) = (&self.watch.family, lock(&self.watch.notes));
        let of = |id: &DocumentId| (id.clone(), notes.pending(family, &self.inner, id), notes.met(id));
        family.ids().map(of).collect()
    }
}

impl Repository for WatchedRepository {
    async fn prepare(&self, models: &[&'static ModelDescriptor]) -> Result<SyncState, RepositoryError> {
        self.inner.prepare(models).await
    }

    async fn state(&self) -> Result<SyncState, RepositoryError> {
        self.call(self.inner.state(), |_, _| {}).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    async fn draft(&self, request: DraftRequest<'_>) -> Result<Draft, RepositoryError> {
        let family = &self.watch.family;
        self.call(self.inner.draft(request), |notes, repository| {
            if let Some(intent) = repository.in_flight() {
                notes.drafted(family, repository, &intent);
            }
        })
        .await
    }

    async fn acknowledge(&self, intent: &Intent, scopes: &Scopes) -> Result<Acknowledged, RepositoryError> {
        let family = &self.watch.family;
        self.call(self.inner.acknowledge(intent, scopes), |notes, repository| {
            self.watch
                .say(|| format!("acknowledge {}", intent.batch.sequence));
            notes.acknowledged(family, repository, intent);
        })
        .await
    }

    async fn discard(&self, intent: &Intent, rejected: &[Quarantined]) -> Result<(), RepositoryError> {
        self.call(self.inner.discard(intent, rejected), |_, _| {}).await
    }

    async fn apply(&self, batch: InboundBatch<'_>) -> Result<Applied, RepositoryError> {
        let family = &self.watch.family;
        let content = |repository: &MemoryRepository| (family.rows(repository), family.known(repository));
        let (writes, before) = (self.inner.writes(), content(&self.inner));
        self.call(self.inner.apply(batch), |notes, repository| {
            if content(repository) == before {
                notes.cursors += repository.writes() - writes;
            }
            self.watch.say(|| {
                let items = batch.items.iter();
                let items: Vec<_> = items
                    .map(|item| format!("{} {:?}", item.id, item.incoming))
                    .collect();
                format!("apply [{}] -> {:?}", items.join(", "), family.rows(repository))
            });
            notes.applied(family, repository, batch.items);
        })
        .await
    }

    async fn agrees(
        &self,
        model: &'static ModelDescriptor,
        documents: &[(&DocumentId, ContentHash)],
    ) -> Result<Vec<bool>, RepositoryError> {
        let answers = self.call(self.inner.agrees(model, documents), |_, _| {}).await?;
        let mut notes = lock(&self.watch.notes);
        for ((id, _), _) in documents.iter().zip(&answers).filter(|(_, agrees)| **agrees) {
            self.watch.say(|| format!("recognize {id}"));
            notes.looked_at(&self.watch.family, &self.inner, (id, false));
        }
        Ok(answers)
    }

    async fn unseen(
        &self,
        model: &'static ModelDescriptor,
        seen: &IdList,
    ) -> Result<IdList, RepositoryError> {
        self.call(self.inner.unseen(model, seen), |_, _| {}).await
    }

    async fn parked(&self) -> Result<Vec<RowRef>, RepositoryError> {
        self.call(self.inner.parked(), |_, _| {}).await
    }

    async fn pending(&self) -> Result<Vec<PendingCount>, RepositoryError> {
        self.call(self.inner.pending(), |_, _| {}).await
    }

    async fn note_changed(&self, row: &RowRef) -> Result<bool, RepositoryError> {
        self.call(self.inner.note_changed(row), |_, _| {}).await
    }

    async fn seeding(&self) -> Result<Vec<SeedState>, RepositoryError> {
        self.call(self.inner.seeding(), |_, _| {}).await
    }

    async fn reset_seeding(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        self.call(self.inner.reset_seeding(models), |_, _| {}).await
    }

    async fn forget(&self, rows: &[RowRef]) -> Result<(), RepositoryError> {
        self.call(self.inner.forget(rows), |_, _| {}).await
    }

    async fn mark(&self, marks: &[Mark]) -> Result<(), RepositoryError> {
        let before = self.inner.writes();
        self.call(self.inner.mark(marks), |notes, repository| {
            self.watch.say(|| format!("mark {marks:?}"));
            if marks.iter().all(|mark| matches!(mark, Mark::Store(..))) {
                notes.frontiers += repository.writes() - before;
            }
        })
        .await
    }

    async fn recover(&self, recovery: &Recovery) -> Result<Recovered, RepositoryError> {
        self.watch.say(|| format!("recover {recovery:?}"));
        self.call(self.inner.recover(recovery), |_, _| {}).await
    }

    async fn quarantine(&self) -> Result<Vec<QuarantineRecord>, RepositoryError> {
        self.call(Repository::quarantine(&self.inner), |_, _| {}).await
    }

    async fn release(&self, row: &RowRef, release: &Release) -> Result<Released, RepositoryError> {
        self.call(self.inner.release(row, release), |_, _| {}).await
    }

    async fn trace(&self, row: &RowRef) -> Result<RowTrace, RepositoryError> {
        self.call(self.inner.trace(row), |_, _| {}).await
    }

    async fn conflicts(&self) -> Result<Vec<ConflictReport>, RepositoryError> {
        self.call(Repository::conflicts(&self.inner), |_, _| {}).await
    }

    async fn weigh(
        &self,
        model: &'static ModelDescriptor,
        items: &[&InboundItem],
    ) -> Result<Weighed, RepositoryError> {
        self.call(self.inner.weigh(model, items), |_, _| {}).await
    }

    async fn reject(&self, items: &[InboundItem], marks: &[Mark]) -> Result<Vec<RowRef>, RepositoryError> {
        self.call(self.inner.reject(items, marks), |_, _| {}).await
    }

    async fn digest(
        &self,
        model: &'static ModelDescriptor,
        buckets: usize,
    ) -> Result<RowDigest, RepositoryError> {
        self.call(self.inner.digest(model, buckets), |_, _| {}).await
    }

    async fn audited(
        &self,
        model: &'static ModelDescriptor,
        wanted: (&HashSet<usize>, usize),
    ) -> Result<Vec<AuditedRow>, RepositoryError> {
        self.call(self.inner.audited(model, wanted), |_, _| {}).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// Gives the simulation a point at which it may do something else, or drop the call.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
