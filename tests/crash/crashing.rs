//! A store and a repository whose every call passes the hooks: [`CrashingStore`], [`CrashingRepository`].

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    explain::{ConflictReport, RowTrace},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::{Intent, OutboxSeq, ReplicaId},
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    repository::{
        Acknowledged, Applied, Draft, DraftRequest, InboundBatch, InboundItem, Mark, PendingCount,
        Quarantined, Recovered, Recovery, Repository, RepositoryError, RowRef, SeedState, SyncState, Weighed,
    },
    scope::Scopes,
    store::{
        Capabilities, ChangeBatch, Cursor, DocumentStore, Frontier, Observation, Scan, StoreError,
        StoreIdentity, WriteOutcome,
    },
};

use crate::hooks::Hooks;

/// A store that may stand still for ever.
pub(crate) struct CrashingStore<S> {
    store: S,
    hooks: Hooks,
}

/// An observation of it. Only a report is a hook: to wait for one is what a coordinator does all day.
pub(crate) struct CrashingObservation<O> {
    observation: O,
    hooks: Hooks,
}

/// A repository that may stand still for ever.
pub(crate) struct CrashingRepository<R> {
    repository: R,
    hooks: Hooks,
    care: Care,
}

/// Whether a repository keeps the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// As it should.
    Sound,
    /// It takes changes made after an intent was drafted for sent. For the test that such a fault is found.
    Forgetful,
}

impl<S> CrashingStore<S> {
    pub(crate) fn new(store: S, hooks: Hooks) -> Self {
        Self { store, hooks }
    }
}

impl<R> CrashingRepository<R> {
    pub(crate) fn new(repository: R, hooks: Hooks, care: Care) -> Self {
        Self {
            repository,
            hooks,
            care,
        }
    }
}

impl<S: DocumentStore> DocumentStore for CrashingStore<S> {
    type Observation = CrashingObservation<S::Observation>;

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.hooks.around("identity", self.store.identity(replica)).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.hooks.around("write", self.store.write(intent)).await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.hooks.around("fetch", self.store.fetch(model, ids)).await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.hooks.around("scan", self.store.scan(model, query)).await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<Self::Observation, StoreError> {
        let observation = self
            .hooks
            .around("observe", self.store.observe(model, query, cursor))
            .await?;
        Ok(CrashingObservation {
            observation,
            hooks: self.hooks.clone(),
        })
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        self.hooks.around("covers", self.store.covers(frontier)).await
    }

    async fn evict(&self, model: &'static ModelDescriptor, ids: &[DocumentId]) -> Result<(), StoreError> {
        self.hooks.around("evict", self.store.evict(model, ids)).await
    }
}

impl<O: Observation> Observation for CrashingObservation<O> {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        let batch = self.observation.next().await;
        self.hooks.side("next", "after").await;
        batch
    }

    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        self.observation.seen(ids)
    }
}

impl<R: Repository> Repository for CrashingRepository<R> {
    async fn prepare(&self, models: &[&'static ModelDescriptor]) -> Result<SyncState, RepositoryError> {
        self.hooks
            .around("prepare", self.repository.prepare(models))
            .await
    }

    async fn state(&self) -> Result<SyncState, RepositoryError> {
        self.hooks.around("state", self.repository.state()).await
    }

    async fn changed(&self) {
        self.repository.changed().await;
    }

    async fn draft(&self, request: DraftRequest<'_>) -> Result<Draft, RepositoryError> {
        self.hooks.around("draft", self.repository.draft(request)).await
    }

    async fn acknowledge(&self, intent: &Intent, scopes: &Scopes) -> Result<Acknowledged, RepositoryError> {
        let mut intent = intent.clone();
        if self.care == Care::Forgetful {
            for operation in &mut intent.operations {
                operation.record.covers = operation.record.covers.map(|_| OutboxSeq(i64::MAX));
            }
        }
        self.hooks
            .around("acknowledge", self.repository.acknowledge(&intent, scopes))
            .await
    }

    async fn discard(&self, intent: &Intent, rejected: &[Quarantined]) -> Result<(), RepositoryError> {
        self.hooks
            .around("discard", self.repository.discard(intent, rejected))
            .await
    }

    async fn apply(&self, batch: InboundBatch<'_>) -> Result<Applied, RepositoryError> {
        self.hooks.around("apply", self.repository.apply(batch)).await
    }

    async fn agrees(
        &self,
        model: &'static ModelDescriptor,
        documents: &[(&DocumentId, ContentHash)],
    ) -> Result<Vec<bool>, RepositoryError> {
        self.hooks
            .around("agrees", self.repository.agrees(model, documents))
            .await
    }

    async fn unseen(
        &self,
        model: &'static ModelDescriptor,
        seen: &IdList,
    ) -> Result<IdList, RepositoryError> {
        self.hooks
            .around("unseen", self.repository.unseen(model, seen))
            .await
    }

    async fn parked(&self) -> Result<Vec<RowRef>, RepositoryError> {
        self.hooks.around("parked", self.repository.parked()).await
    }

    async fn pending(&self) -> Result<Vec<PendingCount>, RepositoryError> {
        self.hooks.around("pending", self.repository.pending()).await
    }

    async fn quarantine(&self) -> Result<Vec<QuarantineRecord>, RepositoryError> {
        self.hooks
            .around("quarantine", self.repository.quarantine())
            .await
    }

    async fn release(&self, row: &RowRef, release: &Release) -> Result<Released, RepositoryError> {
        self.hooks
            .around("release", self.repository.release(row, release))
            .await
    }

    async fn trace(&self, row: &RowRef) -> Result<RowTrace, RepositoryError> {
        self.hooks.around("trace", self.repository.trace(row)).await
    }

    async fn conflicts(&self) -> Result<Vec<ConflictReport>, RepositoryError> {
        self.hooks.around("conflicts", self.repository.conflicts()).await
    }

    async fn note_changed(&self, row: &RowRef) -> Result<bool, RepositoryError> {
        self.hooks
            .around("note_changed", self.repository.note_changed(row))
            .await
    }

    async fn seeding(&self) -> Result<Vec<SeedState>, RepositoryError> {
        self.hooks.around("seeding", self.repository.seeding()).await
    }

    async fn reset_seeding(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        self.hooks
            .around("reset_seeding", self.repository.reset_seeding(models))
            .await
    }

    async fn forget(&self, rows: &[RowRef]) -> Result<(), RepositoryError> {
        self.hooks.around("forget", self.repository.forget(rows)).await
    }

    async fn mark(&self, marks: &[Mark]) -> Result<(), RepositoryError> {
        self.hooks.around("mark", self.repository.mark(marks)).await
    }

    async fn recover(&self, recovery: &Recovery) -> Result<Recovered, RepositoryError> {
        self.hooks
            .around("recover", self.repository.recover(recovery))
            .await
    }

    async fn weigh(
        &self,
        model: &'static ModelDescriptor,
        items: &[&InboundItem],
    ) -> Result<Weighed, RepositoryError> {
        self.hooks
            .around("weigh", self.repository.weigh(model, items))
            .await
    }

    async fn reject(&self, items: &[InboundItem], marks: &[Mark]) -> Result<Vec<RowRef>, RepositoryError> {
        self.hooks
            .around("reject", self.repository.reject(items, marks))
            .await
    }

    async fn close(&self) {
        self.repository.close().await;
    }
}
