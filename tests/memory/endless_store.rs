//! A store that holds no documents: it makes them up when asked. What a process holds beside it is the framework's, SQLite's and the test's own.
//!
//! Not here: what is measured with it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use ditto_sync::{
    Document, DocumentId, DocumentStore, ModelDescriptor, Observation, Query, StoreError, StoreId,
};
use ditto_sync_core::{
    id::{IdList, IdPart},
    intent::{Action, Intent, ReplicaId},
    store::{Capabilities, Change, ChangeBatch, ChangeKind, Cursor, Scan, StoreIdentity, WriteOutcome},
};
use tokio::sync::Notify;

/// The store; a clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct EndlessStore {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Documents 1 to this number exist.
    documents: AtomicU64,
    last_applied: Mutex<Option<u64>>,
    /// Own writes that were not reported yet.
    written: Mutex<Vec<DocumentId>>,
    report: Notify,
}

/// Reports own writes, as a store has to; others there are none.
pub(crate) struct Echoes(Arc<Inner>);

/// The id of a row: 36 characters.
pub(crate) fn id_of(number: u64) -> String {
    format!(
        "{:08x}-0000-4000-8000-{number:012x}",
        number.wrapping_mul(2_654_435_761) & 0xffff_ffff
    )
}

fn number_of(id: &DocumentId) -> u64 {
    match id.parts() {
        [IdPart::Text(text)] => u64::from_str_radix(&text[24..], 16).expect("an id of this test"),
        other => panic!("{other:?} is no id of this test"),
    }
}

fn document(number: u64) -> Document {
    let mut document = Document::default();
    document.set("id", id_of(number));
    document.set("name", format!("row {number}"));
    document.set("amount", i64::try_from(number).expect("a small number"));
    document
}

impl EndlessStore {
    /// Documents 1 to `documents` exist from now on.
    pub(crate) fn fill(&self, documents: u64) {
        self.inner.documents.store(documents, Ordering::SeqCst);
    }

    fn has(&self, number: u64) -> bool {
        number <= self.inner.documents.load(Ordering::SeqCst)
    }
}

impl DocumentStore for EndlessStore {
    type Observation = Echoes;

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(1000)
    }

    async fn identity(&self, _: ReplicaId) -> Result<StoreIdentity, StoreError> {
        let last_applied = *self
            .inner
            .last_applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(StoreIdentity {
            store: StoreId("endless".into()),
            last_applied,
            frontier: None,
        })
    }

    /// Inserts only, in the order of their numbers, of the very documents that this store would make up.
    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let mut written = self.inner.written.lock().unwrap_or_else(PoisonError::into_inner);
        for operation in &intent.operations {
            assert!(
                matches!(operation.action, Action::Insert(_)),
                "rows are inserted only"
            );
            self.inner
                .documents
                .fetch_max(number_of(&operation.id), Ordering::SeqCst);
            written.push(operation.id.clone());
        }
        *self
            .inner
            .last_applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(intent.batch.sequence);
        self.inner.report.notify_one();
        Ok(WriteOutcome::Applied)
    }

    async fn fetch(
        &self,
        _: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let fetch = |id| {
            let number = number_of(id);
            self.has(number).then(|| document(number))
        };
        Ok(ids.iter().map(fetch).collect())
    }

    async fn scan(&self, _: &'static ModelDescriptor, _: &Query) -> Result<Scan, StoreError> {
        let documents = self.inner.documents.load(Ordering::SeqCst);
        let ids = (1..=documents).map(|number| DocumentId::text(id_of(number)).expect("an id"));
        Ok(Scan {
            ids: ids.collect::<IdList>(),
            cursor: None,
        })
    }

    async fn observe(
        &self,
        _: &'static ModelDescriptor,
        _: &Query,
        _: Option<&Cursor>,
    ) -> Result<Echoes, StoreError> {
        Ok(Echoes(Arc::clone(&self.inner)))
    }
}

impl Observation for Echoes {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        loop {
            let report = self.0.report.notified();
            let written = std::mem::take(&mut *self.0.written.lock().unwrap_or_else(PoisonError::into_inner));
            if !written.is_empty() {
                let changes = written
                    .into_iter()
                    .map(|id| Change::new(id, ChangeKind::Upserted));
                return Ok(ChangeBatch {
                    changes: changes.collect(),
                    ..ChangeBatch::default()
                });
            }
            report.await;
        }
    }
}
