//! What the cases work at: a [`Bench`] with the database under test, and beside it the simplest store there can be.
//!
//! Not here: anything about peers; a remote change is made by hand.

use std::collections::BTreeMap;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Intent, Operation},
    repository::{
        Applied, Draft, DraftRequest, InboundBatch, InboundItem, Mark, PendingCount, Quarantined, Repository,
        RowRef, SyncState,
    },
    scope::Scopes,
    value::Value,
};

use super::RepositoryFixture;
use super::models::MODELS;
use crate::app_change::AppChange;

/// More operations, and more rows in a transaction, than any case makes.
const PLENTY: usize = 1000;

/// A database, its repository, and a store that only this bench writes.
#[derive(Debug)]
pub struct Bench<F: RepositoryFixture> {
    /// The database under test.
    pub fixture: F,
    /// It, opened and prepared.
    pub repository: F::Repository,
    /// What its last prepare said.
    pub state: SyncState,
    /// The documents.
    pub store: PlainStore,
    /// The scopes that every call gets.
    pub scopes: Scopes,
}

impl<F: RepositoryFixture> Bench<F> {
    /// Opens and prepares the database.
    pub async fn new(mut fixture: F) -> Self {
        let repository = fixture.open().await;
        let state = repository.prepare(&MODELS).await.expect("it can be prepared");
        Self {
            fixture,
            repository,
            state,
            store: PlainStore::default(),
            scopes: Scopes::everything(),
        }
    }

    /// The process dies and starts again.
    pub async fn crash(mut self) -> Self {
        self.fixture.crash(self.repository).await;
        let repository = self.fixture.open().await;
        let state = repository.prepare(&MODELS).await.expect("it can be prepared");
        Self {
            repository,
            state,
            ..self
        }
    }

    /// A change of the app that the database takes.
    pub async fn change(&mut self, change: AppChange) {
        let shown = format!("{change:?}");
        if let Err(error) = self.fixture.change(change).await {
            panic!("{shown} failed: {error}");
        }
    }

    /// The app inserts a row.
    pub async fn insert(&mut self, model: &'static ModelDescriptor, id: &DocumentId, image: &Image) {
        self.change(AppChange::insert(model, id, image)).await;
    }

    /// The app updates columns of a row.
    pub async fn update(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        columns: &[(&'static str, ColumnValue)],
    ) {
        self.change(AppChange::update(model, id, columns)).await;
    }

    /// The app deletes a row.
    pub async fn delete(&mut self, model: &'static ModelDescriptor, id: &DocumentId) {
        self.change(AppChange::delete(model, id)).await;
    }

    /// One row.
    pub async fn row(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> Option<Image> {
        self.fixture.rows(model).await.remove(id)
    }

    /// A draft with room for everything, seeds included.
    pub async fn draft(&self) -> Draft {
        self.draft_of(PLENTY, true).await
    }

    /// A draft.
    pub async fn draft_of(&self, operations_max: usize, seed: bool) -> Draft {
        let models = MODELS.iter().filter(|_| seed);
        let collections: Vec<_> = models.map(|model| model.collection()).collect();
        let request = DraftRequest {
            operations_max,
            seed: &collections,
            scopes: &self.scopes,
            rows: ditto_sync_core::repository::DraftRows::All,
        };
        self.repository.draft(request).await.expect("a draft is made")
    }

    /// The intent of a draft that has to have one.
    pub async fn intent(&self) -> Intent {
        self.draft().await.intent.expect("there is something to send")
    }

    /// The only operation of the next intent, which stays in flight.
    pub async fn only_operation(&self) -> (Intent, Operation) {
        let intent = self.intent().await;
        assert_eq!(intent.operations.len(), 1, "one row is sent: {intent:?}");
        let operation = intent.operations[0].clone();
        (intent, operation)
    }

    /// Writes an intent that the store has to take, and acknowledges it.
    pub async fn settle(&mut self, intent: &Intent) {
        assert_eq!(self.store.write(intent), Vec::new(), "nothing is stale");
        self.acknowledge(intent).await;
    }

    /// Acknowledges an intent; how many rows left the scope by it.
    pub async fn acknowledge(&self, intent: &Intent) -> usize {
        let acknowledged = self.repository.acknowledge(intent, &self.scopes).await;
        acknowledged.expect("it is acknowledged").left_scope
    }

    /// Discards an intent.
    pub async fn discard(&self, intent: &Intent, rejected: &[Quarantined]) {
        let discarded = self.repository.discard(intent, rejected).await;
        discarded.expect("it is discarded");
    }

    /// Sends until nothing is left; stale rows are brought in first, as a coordinator does. All operations that the store took.
    pub async fn push(&mut self) -> Vec<Operation> {
        const ROUNDS_MAX: usize = 20;
        let mut sent = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let Some(intent) = self.draft().await.intent else {
                return sent;
            };
            let stale = self.store.write(&intent);
            if stale.is_empty() {
                self.acknowledge(&intent).await;
                sent.extend(intent.operations);
            } else {
                self.discard(&intent, &[]).await;
                self.pull_rows(&stale).await;
            }
        }
        panic!("there is always more to send");
    }

    /// A row and a document that agree.
    pub async fn agree(&mut self, model: &'static ModelDescriptor, id: &DocumentId, image: &Image) {
        self.store.put(model, id, image);
        self.pull(model, id).await;
        assert_eq!(self.row(model, id).await.as_ref(), Some(image));
    }

    /// Applies the document of one id as it is now.
    pub async fn pull(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> Applied {
        self.pull_rows(&[RowRef {
            model,
            id: id.clone(),
        }])
        .await
    }

    /// Applies several documents, in this order, in one batch.
    pub async fn pull_rows(&mut self, rows: &[RowRef]) -> Applied {
        self.pull_marked(rows, &[], PLENTY).await
    }

    /// Applies several documents with marks.
    pub async fn pull_marked(
        &mut self,
        rows: &[RowRef],
        marks: &[Mark],
        transaction_rows_max: usize,
    ) -> Applied {
        let item = |row: &RowRef| {
            let document = self.store.get(row.model, &row.id).cloned();
            InboundItem::new(row.model, row.id.clone(), document, &self.scopes)
        };
        let items: Vec<_> = rows.iter().map(item).collect();
        self.apply(&items, marks, transaction_rows_max).await
    }

    /// Applies items.
    pub async fn apply(&self, items: &[InboundItem], marks: &[Mark], transaction_rows_max: usize) -> Applied {
        let batch = InboundBatch {
            items,
            scopes: &self.scopes,
            marks,
            transaction_rows_max,
        };
        self.repository.apply(batch).await.expect("documents are applied")
    }

    /// Applies the parked documents again, as a coordinator does after rows changed.
    pub async fn retry_parked(&mut self) -> Applied {
        let parked = self.parked().await;
        self.pull_rows(&parked).await
    }

    /// What waits for another row.
    pub async fn parked(&self) -> Vec<RowRef> {
        self.repository.parked().await.expect("they are listed")
    }

    /// The counts of one model.
    pub async fn pending(&self, model: &'static ModelDescriptor) -> PendingCount {
        let counts = self.repository.pending().await.expect("they are counted");
        let of_model = counts
            .into_iter()
            .find(|count| count.collection == model.collection());
        of_model.expect("every prepared model is counted")
    }

    /// Checks that the repository takes `image` for what it and the store agreed on last: its document is no news, and the row is clean.
    pub async fn assert_agreed(&mut self, model: &'static ModelDescriptor, id: &DocumentId, image: &Image) {
        let before = self.fixture.writes().await;
        let mut scratch = PlainStore::default();
        scratch.put(model, id, image);
        let document = scratch.get(model, id).cloned();
        let item = InboundItem::new(model, id.clone(), document, &self.scopes);
        let applied = self.apply(&[item], &[], PLENTY).await;
        assert_eq!(applied.unchanged, 1, "the document is known: {applied:?}");
        assert_eq!(
            self.fixture.writes().await,
            before,
            "a known document costs no write"
        );
        self.assert_nothing_to_send().await;
    }

    /// Checks that nothing is dirty, and that looking costs no write. The first look may note that nothing is left to seed.
    pub async fn assert_nothing_to_send(&mut self) {
        let first = self.draft().await;
        assert_eq!(first.intent, None, "nothing is dirty");
        assert_eq!(
            (first.dropped, first.left_scope, first.quarantined.len()),
            (0, 0, 0),
            "nothing is left to do"
        );
        let before = self.fixture.writes().await;
        let second = self.draft().await;
        assert_eq!((second.intent, second.more), (None, false), "nothing is dirty");
        assert_eq!(
            self.fixture.writes().await,
            before,
            "without work nothing is written"
        );
    }
}

/// Documents by collection and id, and the conditional write of the contract; no peers, no history, no crashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlainStore {
    documents: BTreeMap<(&'static str, DocumentId), Document>,
}

impl PlainStore {
    /// The document of a row.
    #[must_use]
    pub fn get(&self, model: &ModelDescriptor, id: &DocumentId) -> Option<&Document> {
        self.documents.get(&(model.collection(), id.clone()))
    }

    /// A document as a row.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn image(&self, model: &ModelDescriptor, id: &DocumentId) -> Option<Image> {
        self.get(model, id)
            .map(|document| model.image_of(document).expect("the document can be read"))
    }

    /// Another device writes a whole document.
    ///
    /// # Panics
    /// When the image is no row of the model.
    pub fn put(&mut self, model: &ModelDescriptor, id: &DocumentId, image: &Image) {
        let document = model.document_of(id, image).expect("the image can be sent");
        self.documents.insert((model.collection(), id.clone()), document);
    }

    /// Another device writes one field.
    ///
    /// # Panics
    /// When there is no such document.
    pub fn set(&mut self, model: &ModelDescriptor, id: &DocumentId, field: &str, value: impl Into<Value>) {
        let document = self.documents.get_mut(&(model.collection(), id.clone()));
        document.expect("the document exists").set(field, value);
    }

    /// Another device deletes a document.
    pub fn delete(&mut self, model: &ModelDescriptor, id: &DocumentId) {
        self.documents.remove(&(model.collection(), id.clone()));
    }

    /// Applies an intent as a whole, or returns the documents that are not as it expects.
    ///
    /// # Panics
    /// When an operation is none that a repository may make.
    pub fn write(&mut self, intent: &Intent) -> Vec<RowRef> {
        let stale = |operation: &&Operation| {
            let document = self.get(operation.model, &operation.id);
            !operation.expect.is_met_by(operation.model, document)
        };
        let stale: Vec<_> = intent
            .operations
            .iter()
            .filter(stale)
            .map(|operation| RowRef {
                model: operation.model,
                id: operation.id.clone(),
            })
            .collect();
        if stale.is_empty() {
            for operation in &intent.operations {
                self.write_one(operation);
            }
        }
        stale
    }

    fn write_one(&mut self, operation: &Operation) {
        let key = (operation.model.collection(), operation.id.clone());
        match &operation.action {
            Action::Insert(document) | Action::Seed(document) => {
                self.documents.insert(key, document.clone());
            }
            Action::Delete => {
                self.documents.remove(&key);
            }
            Action::Patch { set, increments } => {
                let document = self.documents.get_mut(&key).expect("only a document is patched");
                for (field, value) in set {
                    document.set(field.clone(), value.clone());
                }
                for (field, increment) in increments {
                    let before = match document.get(field) {
                        Some(Value::Int(amount)) => *amount,
                        _ => 0,
                    };
                    document.set(field.clone(), before + increment);
                }
            }
        }
        let written = self
            .image(operation.model, &operation.id)
            .map(|image| ContentHash::of(operation.model, &image));
        assert_eq!(
            written, operation.record.sent,
            "the hash recorded is that of what was sent: {operation:?}"
        );
    }
}
