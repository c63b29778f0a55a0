//! What the cases share: making intents, and waiting for a change.

use std::{collections::BTreeSet, time::Duration};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{Change, ChangeBatch, ChangeKind, DocumentStore, Observation, WriteOutcome},
    value::Value,
};
use futures_util::FutureExt;

use super::StoreFixture;
use crate::models::STOCK;

/// Longer than any store needs; a case that waits so long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// One writing replica of a case.
pub(super) struct Session<'a, S> {
    store: &'a S,
    replica: ReplicaId,
    sequence: u64,
}

impl<'a, S: DocumentStore> Session<'a, S> {
    /// A replica of this number, which goes on after its last batch.
    pub(super) async fn of(store: &'a S, number: u8) -> Self {
        let replica = ReplicaId::from_bytes([number; 16]);
        let identity = store.identity(replica).await.expect("identity can be read");
        Self {
            store,
            replica,
            sequence: identity.last_applied.unwrap_or(0),
        }
    }

    pub(super) fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// The next intent.
    pub(super) fn intent(&mut self, operations: Vec<Operation>) -> Intent {
        self.sequence += 1;
        let batch = BatchId {
            replica: self.replica,
            sequence: self.sequence,
        };
        Intent { batch, operations }
    }

    /// Writes one batch that must be answered.
    pub(super) async fn write(&mut self, operations: Vec<Operation>) -> WriteOutcome {
        let intent = self.intent(operations);
        let outcome = self.store.write(&intent).await;
        outcome.expect("a valid intent is answered")
    }

    /// Writes one operation against what the store holds; it must apply.
    pub(super) async fn apply(&mut self, model: &'static ModelDescriptor, id: &DocumentId, action: Action) {
        let found = fetch(self.store, model, id).await;
        let operation = operation(model, id, expect(model, found.as_ref()), action);
        let outcome = self.write(vec![operation]).await;
        assert_eq!(
            outcome,
            WriteOutcome::Applied,
            "a write against the current document applies"
        );
    }
}

/// Opens a store of this case and an only replica.
pub(super) async fn open<F: StoreFixture>(fixture: &F, case: &str) -> F::Store {
    fixture.open(case).await
}

/// The current document, as readers see it.
pub(super) async fn fetch<S: DocumentStore>(
    store: &S,
    model: &'static ModelDescriptor,
    id: &DocumentId,
) -> Option<Document> {
    let mut documents = store
        .fetch(model, std::slice::from_ref(id))
        .await
        .expect("documents can be fetched");
    assert_eq!(documents.len(), 1, "fetch answers each id once");
    documents.pop().expect("its length is 1")
}

/// One field of the current document of a stock.
pub(super) async fn field<S: DocumentStore>(store: &S, id: &DocumentId, name: &str) -> Option<Value> {
    let document = fetch(store, &STOCK, id).await;
    document.and_then(|mut document| document.remove(name))
}

pub(super) async fn scan<S: DocumentStore>(
    store: &S,
    model: &'static ModelDescriptor,
    query: &Query,
) -> BTreeSet<DocumentId> {
    let scan = store
        .scan(model, query)
        .await
        .expect("a collection can be scanned");
    let ids: BTreeSet<_> = scan.ids.iter().collect();
    assert_eq!(ids.len(), scan.ids.len(), "a scan answers each id once");
    ids
}

pub(super) fn operation(
    model: &'static ModelDescriptor,
    id: &DocumentId,
    expect: Expect,
    action: Action,
) -> Operation {
    let record = Record {
        covers: None,
        sent: None,
        undo: Undo::Seed,
    };
    Operation {
        model,
        id: id.clone(),
        expect,
        action,
        record,
    }
}

/// What an operation computed against this document expects.
pub(super) fn expect(model: &ModelDescriptor, document: Option<&Document>) -> Expect {
    let hash = model
        .hash_of(document)
        .expect("documents of the suite fit their model");
    hash.map_or(Expect::Absent, Expect::Hash)
}

pub(super) fn text_id(id: &str) -> DocumentId {
    DocumentId::text(id).expect("ids of the suite are valid")
}

/// A whole stock.
pub(super) fn stock(id: &DocumentId, branch: &str, quantity: i64) -> Document {
    let mut document = Document::new();
    document.set("id", id.to_value());
    document.set("branchId", branch);
    document.set("product", "soap");
    document.set("quantity", quantity);
    document.set("price", 2.5);
    document.set("note", Value::Null);
    document
}

pub(super) fn insert(id: &DocumentId, quantity: i64) -> Action {
    Action::Insert(stock(id, "kigali-1", quantity))
}

pub(super) fn set(name: &str, value: impl Into<Value>) -> Action {
    Action::Patch {
        set: vec![(FieldName::new(name), value.into())],
        increments: Vec::new(),
    }
}

pub(super) fn increment(amount: i64) -> Action {
    Action::Patch {
        set: Vec::new(),
        increments: vec![("quantity".into(), amount)],
    }
}

/// The next batch of an observation.
pub(super) async fn next<O: Observation>(observation: &mut O) -> ChangeBatch {
    let next = tokio::time::timeout(DEADLINE, observation.next()).await;
    next.expect("the observation reports in time")
        .expect("the observation goes on")
}

/// Waits until a change of `id` is reported; that change, and all others of the batches up to it.
pub(super) async fn wait_for_change<O: Observation>(
    observation: &mut O,
    id: &DocumentId,
) -> (ChangeKind, Vec<Change>, ChangeBatch) {
    let mut seen = Vec::new();
    loop {
        let batch = next(observation).await;
        seen.extend(batch.changes.iter().cloned());
        if let Some(change) = batch.changes.iter().rev().find(|change| change.id == *id) {
            return (change.kind, seen, batch.clone());
        }
        assert!(!batch.rescan, "a store that was left alone asks for no scan");
    }
}

/// Waits for a change of `id` like [`wait_for_change`], but gives up each wait after a moment and starts anew.
pub(super) async fn wait_impatiently<O: Observation>(observation: &mut O, id: &DocumentId) {
    const PATIENCE: Duration = Duration::from_millis(1);
    let impatient = async {
        loop {
            // Polled once and dropped, then for a moment and dropped.
            let at_once = std::pin::pin!(observation.next()).now_or_never();
            let waited = match at_once {
                Some(batch) => Ok(batch),
                None => tokio::time::timeout(PATIENCE, observation.next()).await,
            };
            let Ok(batch) = waited else {
                continue;
            };
            let batch = batch.expect("the observation goes on");
            if batch.changes.iter().any(|change| change.id == *id) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, impatient)
        .await
        .expect("the observation reports in time");
}
