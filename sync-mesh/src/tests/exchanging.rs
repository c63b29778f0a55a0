//! Stores on a wire in memory: what other tests of them need, bounded frames, and which collections travel.

use std::{path::Path, time::Duration};

use ditto_sync_core::{descriptor::ModelDescriptor, intent::Expect};
use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{DocumentStore, WriteOutcome},
    value::Value,
};
use ditto_sync_testkit::models::{READING, STOCK};
use tokio::{sync::mpsc, task::JoinHandle};

use super::wire::{device_of, wire};
use crate::{
    MeshStore,
    limits::{CHUNK_BYTES_MAX, INTENT_OPERATIONS_MAX, MESSAGES_WAITING},
    link::carry,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn open(directory: &Path) -> MeshStore {
    let builder = MeshStore::builder("tests").directory(directory).offline();
    builder.open().await.expect("a store opens")
}

pub(super) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(outcome.is_ok(), "waited {PATIENCE:?} until {what}");
}

pub(super) fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a short id")
}

pub(super) fn stock(name: &str, note: &str) -> Document {
    let fields: [(&str, Value); 4] = [
        ("id", name.into()),
        ("branchId", "b".into()),
        ("quantity", 10.into()),
        ("note", note.into()),
    ];
    fields.into_iter().collect()
}

pub(super) fn batch(replica: u8, sequence: u64) -> BatchId {
    BatchId {
        replica: ReplicaId::from_bytes([replica; 16]),
        sequence,
    }
}

pub(super) async fn write(
    store: &MeshStore,
    batch: BatchId,
    model: &'static ModelDescriptor,
    actions: Vec<(DocumentId, Action)>,
) {
    while attempt(store, batch, model, actions.clone()).await != WriteOutcome::Applied {
        // Something came in between.
    }
}

async fn attempt(
    store: &MeshStore,
    batch: BatchId,
    model: &'static ModelDescriptor,
    actions: Vec<(DocumentId, Action)>,
) -> WriteOutcome {
    let ids: Vec<DocumentId> = actions.iter().map(|(id, _)| id.clone()).collect();
    let found = store.fetch(model, &ids).await.expect("the store answers");
    let operations = actions
        .into_iter()
        .zip(found)
        .map(|((id, action), found)| Operation {
            model,
            id,
            expect: model
                .hash_of(found.as_ref())
                .expect("it fits the model")
                .map_or(Expect::Absent, Expect::Hash),
            action,
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        });
    let intent = Intent {
        batch,
        operations: operations.collect(),
    };
    store.write(&intent).await.expect("the store takes it")
}

pub(super) async fn insert(store: &MeshStore, batch: BatchId, name: &str) {
    write(
        store,
        batch,
        &STOCK,
        vec![(id(name), Action::Insert(stock(name, "new")))],
    )
    .await;
}

pub(super) async fn increment(store: &MeshStore, batch: BatchId, name: &str, amount: i64) {
    let action = Action::Patch {
        set: vec![],
        increments: vec![("quantity".into(), amount)],
    };
    write(store, batch, &STOCK, vec![(id(name), action)]).await;
}

pub(super) async fn set_note(store: &MeshStore, batch: BatchId, name: &str, note: &str) {
    let action = Action::Patch {
        set: vec![("note".into(), note.into())],
        increments: vec![],
    };
    write(store, batch, &STOCK, vec![(id(name), action)]).await;
}

pub(super) async fn field(store: &MeshStore, name: &str, field: &str) -> Option<Value> {
    let found = store.fetch(&STOCK, &[id(name)]).await.expect("the store answers");
    found[0]
        .as_ref()
        .and_then(|document| document.get(field).cloned())
}

pub(super) async fn disconnect(tasks: [JoinHandle<()>; 2]) {
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
}

pub(super) async fn covers(one: &MeshStore, other: &MeshStore) -> bool {
    let identity = other.identity(ReplicaId::from_bytes([0; 16])).await;
    let frontier = identity.expect("an open store says who it is").frontier;
    let frontier = frontier.expect("a mesh store knows what it holds");
    one.covers(&frontier).await.expect("a frontier can be compared") == Some(true)
}

pub(super) async fn even(one: &MeshStore, other: &MeshStore) {
    until("both hold the same", async || {
        covers(one, other).await && covers(other, one).await
    })
    .await;
}

/// Connects two stores, and tells the length of every frame to the second.
fn measured_wire(
    one: &MeshStore,
    other: &MeshStore,
) -> (mpsc::UnboundedReceiver<usize>, Vec<JoinHandle<()>>) {
    let (to_one, at_one) = mpsc::channel(MESSAGES_WAITING);
    let (to_other, mut passing) = mpsc::channel::<Vec<u8>>(MESSAGES_WAITING);
    let (passed, at_other) = mpsc::channel(MESSAGES_WAITING);
    let (lengths, measured) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for (store, peer, incoming, outgoing) in [(one, other, at_one, to_other), (other, one, at_other, to_one)]
    {
        let (engine, peer) = (store.engine().clone(), peer.engine().clone());
        tasks.push(tokio::spawn(async move {
            let device = device_of(&peer).await;
            carry(&engine, device, incoming, outgoing)
                .await
                .expect("peers of tests keep the protocol");
        }));
    }
    tasks.push(tokio::spawn(async move {
        while let Some(frame) = passing.recv().await {
            let _ = lengths.send(frame.len());
            if passed.send(frame).await.is_err() {
                break;
            }
        }
    }));
    (measured, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_peer_gets_much_in_frames_of_bounded_size() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let other = open(&directory.path().join("other")).await;
    let rows = 8 * INTENT_OPERATIONS_MAX;
    for (sequence, start) in (1..).zip((0..rows).step_by(INTENT_OPERATIONS_MAX)) {
        let inserts = (start..start + INTENT_OPERATIONS_MAX).map(|row| {
            let name = format!("row-{row}");
            let action = Action::Insert(stock(&name, &"x".repeat(600)));
            (id(&name), action)
        });
        write(&one, batch(1, sequence), &STOCK, inserts.collect()).await;
    }
    let (mut lengths, tasks) = measured_wire(&one, &other);
    until("all has arrived", async || covers(&other, &one).await).await;
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    let mut frames = Vec::new();
    while let Ok(length) = lengths.try_recv() {
        frames.push(length);
    }
    let total: usize = frames.iter().sum();
    assert!(total > 2 * CHUNK_BYTES_MAX, "{total} bytes are worth dividing");
    let longest = frames.iter().max().copied().unwrap_or(0);
    assert!(longest <= CHUNK_BYTES_MAX + 1024, "a frame of {longest} bytes");
    let found = other.scan(&STOCK, &Query::all()).await.expect("it answers");
    assert_eq!(found.ids.len(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_collections_that_are_wanted_travel_and_others_are_dropped_when_a_peer_holds_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    insert(&one, batch(1, 1), "s1").await;
    let reading = DocumentId::integer(7);
    let document: Document = [("id", Value::Int(7)), ("value", Value::Float(1.5))]
        .into_iter()
        .collect();
    write(
        &one,
        batch(1, 2),
        &READING,
        vec![(reading.clone(), Action::Insert(document))],
    )
    .await;
    let home = directory.path().join("some");
    let wanting = |names: &[&str]| {
        let builder = MeshStore::builder("tests").directory(&home).offline();
        builder.collections(names.iter().copied()).open()
    };
    let some = wanting(&["stocks"]).await.expect("it opens");
    insert(&some, batch(2, 1), "s2").await;
    let tasks = wire(&one, &some);
    until("what is wanted has arrived", async || {
        field(&some, "s1", "note").await.is_some()
    })
    .await;
    until("what was written there, too", async || {
        field(&one, "s2", "note").await.is_some()
    })
    .await;
    let found = some.fetch(&READING, std::slice::from_ref(&reading)).await;
    assert_eq!(found.expect("it answers"), [None]);
    disconnect(tasks).await;
    some.close().await;
    let some = wanting(&["readings"]).await.expect("it opens");
    assert!(
        field(&some, "s2", "note").await.is_some(),
        "nobody has confirmed to hold it in this life"
    );
    let tasks = wire(&one, &some);
    until(
        "what is wanted now has arrived, and the rest is gone",
        async || {
            let found = some.fetch(&READING, std::slice::from_ref(&reading)).await;
            found.expect("it answers")[0].is_some() && field(&some, "s2", "note").await.is_none()
        },
    )
    .await;
    assert!(
        field(&one, "s2", "note").await.is_some(),
        "it is kept where it is wanted"
    );
    disconnect(tasks).await;
    some.close().await;
    let some = wanting(&["stocks", "readings"]).await.expect("it opens");
    let tasks = wire(&one, &some);
    until("it comes back", async || {
        field(&some, "s2", "note").await.is_some()
    })
    .await;
    increment(&some, batch(2, 2), "s2", 5).await;
    until("it goes on", async || {
        field(&one, "s2", "quantity").await == Some(Value::Int(15))
    })
    .await;
    disconnect(tasks).await;
}
