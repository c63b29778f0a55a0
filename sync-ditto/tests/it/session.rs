//! Making intents.

use std::time::Duration;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore, Observation, WriteOutcome},
    value::Value,
};
use ditto_sync_ditto::{DittoObservation, DittoStore};
use ditto_sync_testkit::models::STOCK;

/// Longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn text_id(id: &str) -> DocumentId {
    DocumentId::text(id).expect("ids of the tests are valid")
}

pub(crate) fn stock(id: &DocumentId, quantity: i64) -> Document {
    let mut document = Document::from_iter([("id", id.to_value()), ("branchId", "kigali-1".into())]);
    document.set("product", "soap");
    document.set("quantity", quantity);
    document.set("price", 2.5);
    document.set("note", Value::Null);
    document
}

pub(crate) fn insert(id: &DocumentId, quantity: i64) -> Operation {
    operation(&STOCK, id, Expect::Absent, Action::Insert(stock(id, quantity)))
}

pub(crate) fn operation(
    model: &'static ModelDescriptor,
    id: &DocumentId,
    expect: Expect,
    action: Action,
) -> Operation {
    Operation {
        model,
        id: id.clone(),
        expect,
        action,
        record: Record {
            covers: None,
            sent: None,
            undo: Undo::Seed,
        },
    }
}

pub(crate) fn intent(sequence: u64, operations: Vec<Operation>) -> Intent {
    let replica = ReplicaId::from_bytes([7; 16]);
    Intent {
        batch: BatchId { replica, sequence },
        operations,
    }
}

pub(crate) async fn write(store: &DittoStore, sequence: u64, operations: Vec<Operation>) {
    let outcome = store.write(&intent(sequence, operations)).await;
    assert_eq!(
        outcome.expect("a valid intent is answered"),
        WriteOutcome::Applied
    );
}

/// A patch of the document as it is now.
pub(crate) async fn patch(
    store: &DittoStore,
    id: &DocumentId,
    set: &[(&str, Value)],
    increments: &[(&str, i64)],
) -> Operation {
    let document = fetch(store, &STOCK, id).await;
    let hash = STOCK.hash_of(document.as_ref()).expect("it fits its model");
    let action = Action::Patch {
        set: set
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()))
            .collect(),
        increments: increments
            .iter()
            .map(|(name, amount)| ((*name).into(), *amount))
            .collect(),
    };
    operation(&STOCK, id, hash.map_or(Expect::Absent, Expect::Hash), action)
}

pub(crate) async fn fetch(
    store: &DittoStore,
    model: &'static ModelDescriptor,
    id: &DocumentId,
) -> Option<Document> {
    let fetched = store.fetch(model, std::slice::from_ref(id)).await;
    fetched
        .expect("documents can be fetched")
        .pop()
        .expect("one answer")
}

pub(crate) async fn quantity(store: &DittoStore, id: &DocumentId) -> Option<Value> {
    fetch(store, &STOCK, id).await?.get("quantity").cloned()
}

/// Waits until a change of this document is reported.
pub(crate) async fn wait_for(observation: &mut DittoObservation, id: &DocumentId) {
    let reported = async {
        loop {
            let batch = observation.next().await.expect("the observation goes on");
            if batch.changes.iter().any(|change| change.id == *id) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, reported).await;
    in_time.expect("the change is reported");
}
