//! Stores on a wire in memory: bounded frames, snapshots after a trim or from an old file, states that differ, interest, receipts, reports of replaced values.

use std::{path::Path, time::Duration};

use ditto_sync_core::{descriptor::ModelDescriptor, intent::Expect};
use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{ChangeBatch, DocumentStore, Observation, Overwritten, OverwrittenField, WriteOutcome},
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

const PATIENCE: Duration = Duration::from_secs(60);

async fn open(directory: &Path) -> MeshStore {
    let builder = MeshStore::builder("tests").directory(directory).offline();
    builder.open().await.expect("a store opens")
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(outcome.is_ok(), "waited {PATIENCE:?} until {what}");
}

fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a short id")
}

fn stock(name: &str, note: &str) -> Document {
    let fields: [(&str, Value); 4] = [
        ("id", name.into()),
        ("branchId", "b".into()),
        ("quantity", 10.into()),
        ("note", note.into()),
    ];
    fields.into_iter().collect()
}

fn batch(replica: u8, sequence: u64) -> BatchId {
    BatchId {
        replica: ReplicaId::from_bytes([replica; 16]),
        sequence,
    }
}

async fn write(
    store: &MeshStore,
    batch: BatchId,
    model: &'static ModelDescriptor,
    actions: Vec<(DocumentId, Action)>,
) {
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
    let outcome = store.write(&intent).await.expect("the store takes it");
    assert_eq!(outcome, WriteOutcome::Applied);
}

async fn insert(store: &MeshStore, batch: BatchId, name: &str) {
    write(
        store,
        batch,
        &STOCK,
        vec![(id(name), Action::Insert(stock(name, "new")))],
    )
    .await;
}

async fn increment(store: &MeshStore, batch: BatchId, name: &str, amount: i64) {
    let action = Action::Patch {
        set: vec![],
        increments: vec![("quantity".into(), amount)],
    };
    write(store, batch, &STOCK, vec![(id(name), action)]).await;
}

async fn set_note(store: &MeshStore, batch: BatchId, name: &str, note: &str) {
    let action = Action::Patch {
        set: vec![("note".into(), note.into())],
        increments: vec![],
    };
    write(store, batch, &STOCK, vec![(id(name), action)]).await;
}

async fn field(store: &MeshStore, name: &str, field: &str) -> Option<Value> {
    let found = store.fetch(&STOCK, &[id(name)]).await.expect("the store answers");
    found[0]
        .as_ref()
        .and_then(|document| document.get(field).cloned())
}

async fn disconnect(tasks: [JoinHandle<()>; 2]) {
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
}

async fn covers(one: &MeshStore, other: &MeshStore) -> bool {
    let identity = other.identity(ReplicaId::from_bytes([0; 16])).await;
    let frontier = identity.expect("an open store says who it is").frontier;
    let frontier = frontier.expect("a mesh store knows what it holds");
    one.covers(&frontier).await.expect("a frontier can be compared") == Some(true)
}

async fn even(one: &MeshStore, other: &MeshStore) {
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
async fn an_old_file_that_comes_back_loses_nothing_of_before_or_after() {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, kept) = (directory.path().join("one"), directory.path().join("kept.sqlite"));
    let other = open(&directory.path().join("other")).await;
    let one = open(&home).await;
    insert(&one, batch(1, 1), "s1").await;
    one.close().await;
    std::fs::copy(home.join("mesh.sqlite"), &kept).expect("a closed file can be copied");
    let one = open(&home).await;
    for sequence in 2..6 {
        increment(&one, batch(1, sequence), "s1", 1).await;
    }
    let tasks = wire(&one, &other);
    even(&one, &other).await;
    disconnect(tasks).await;
    one.close().await;
    std::fs::copy(&kept, home.join("mesh.sqlite")).expect("it comes back");
    let one = open(&home).await;
    increment(&one, batch(2, 1), "s1", 100).await;
    set_note(&other, batch(3, 1), "s1", "kept").await;
    let tasks = wire(&one, &other);
    for store in [&one, &other] {
        until("every increment counts once", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(114))
        })
        .await;
        until("the edit of the other is kept", async || {
            field(store, "s1", "note").await == Some("kept".into())
        })
        .await;
    }
    even(&one, &other).await;
    increment(&one, batch(2, 2), "s1", 1).await;
    until("it goes on", async || {
        field(&other, "s1", "quantity").await == Some(Value::Int(115))
    })
    .await;
    disconnect(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_behind_a_trim_gets_a_snapshot_and_keeps_what_it_wrote() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let late = open(&directory.path().join("late")).await;
    insert(&one, batch(1, 1), "s1").await;
    let tasks = wire(&one, &late);
    even(&one, &late).await;
    disconnect(tasks).await;
    for sequence in 2..30 {
        increment(&one, batch(1, 2 * sequence), "s1", 1).await;
        set_note(&one, batch(1, 2 * sequence + 1), "s1", &format!("n{sequence}")).await;
    }
    increment(&late, batch(2, 1), "s1", 1000).await;
    insert(&late, batch(2, 2), "s2").await;
    // Nobody is remembered by name on a wire, so nobody holds it up.
    assert_eq!(one.trim_history().await.expect("it can be trimmed"), ["stocks"]);
    assert!(one.trim_history().await.expect("it can be trimmed").is_empty());
    let tasks = wire(&one, &late);
    for store in [&one, &late] {
        until("all is there", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(1038))
                && field(store, "s2", "note").await.is_some()
                && field(store, "s1", "note").await == Some("n29".into())
        })
        .await;
    }
    even(&one, &late).await;
    disconnect(tasks).await;
    // What was trimmed stays so after a restart, and a fresh device gets it too.
    one.close().await;
    let one = open(&directory.path().join("one")).await;
    let fresh = open(&directory.path().join("fresh")).await;
    let tasks = wire(&one, &fresh);
    until("a fresh device gets all", async || {
        field(&fresh, "s1", "quantity").await == Some(Value::Int(1038))
    })
    .await;
    disconnect(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_differ_at_equal_versions_are_noticed_and_made_equal() {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, clone) = (directory.path().join("one"), directory.path().join("clone"));
    let one = open(&home).await;
    insert(&one, batch(1, 1), "s1").await;
    one.close().await;
    std::fs::create_dir(&clone).expect("it can be made");
    std::fs::copy(home.join("mesh.sqlite"), clone.join("mesh.sqlite")).expect("it can be copied");
    let (one, clone) = (open(&home).await, open(&clone).await);
    let other = open(&directory.path().join("other")).await;
    // The same number of operations under one number: nothing but the digests tells them apart.
    set_note(&one, batch(1, 2), "s1", "original").await;
    set_note(&clone, batch(1, 2), "s1", "clone").await;
    let tasks = wire(&one, &other);
    even(&one, &other).await;
    disconnect(tasks).await;
    let tasks = wire(&clone, &other);
    until("both show the same", async || {
        let shown = field(&clone, "s1", "note").await;
        shown.is_some() && shown == field(&other, "s1", "note").await && covers(&clone, &other).await
    })
    .await;
    disconnect(tasks).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_confirmed_when_a_peer_holds_it_and_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("one");
    let one = open(&home).await;
    let other = open(&directory.path().join("other")).await;
    insert(&one, batch(1, 1), "s1").await;
    let confirmed = async |store: &MeshStore, batch| store.confirmed(batch).await.expect("it answers");
    assert_eq!(confirmed(&one, batch(1, 1)).await, Some(false));
    let tasks = wire(&one, &other);
    until("the peer has confirmed it", async || {
        confirmed(&one, batch(1, 1)).await == Some(true)
    })
    .await;
    assert_eq!(
        confirmed(&one, batch(1, 2)).await,
        Some(false),
        "it was never written"
    );
    disconnect(tasks).await;
    insert(&one, batch(1, 2), "s2").await;
    assert_eq!(confirmed(&one, batch(1, 2)).await, Some(false));
    assert_eq!(confirmed(&one, batch(1, 1)).await, Some(true));
    let tasks = wire(&one, &other);
    until("the peer has confirmed it", async || {
        confirmed(&one, batch(1, 2)).await == Some(true)
    })
    .await;
    disconnect(tasks).await;
    one.close().await;
    let one = open(&home).await;
    assert_eq!(confirmed(&one, batch(1, 2)).await, Some(true));
}

/// The reports of what is observed next, until there are some.
async fn next_report(observation: &mut impl Observation) -> Vec<Overwritten> {
    loop {
        let next = tokio::time::timeout(PATIENCE, observation.next()).await;
        let ChangeBatch { overwritten, .. } = next.expect("something is reported").expect("it goes on");
        if !overwritten.is_empty() {
            return overwritten;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_gives_way_to_a_concurrent_one_is_reported_with_both() {
    let directory = tempfile::tempdir().expect("a directory");
    let busy = open(&directory.path().join("busy")).await;
    let home = directory.path().join("loser");
    let loser = open(&home).await;
    insert(&busy, batch(1, 1), "s1").await;
    let tasks = wire(&busy, &loser);
    even(&busy, &loser).await;
    // A later edit that knows the earlier one is no conflict.
    set_note(&loser, batch(2, 1), "s1", "first").await;
    even(&busy, &loser).await;
    set_note(&busy, batch(1, 2), "s1", "answer").await;
    even(&busy, &loser).await;
    disconnect(tasks).await;
    set_note(&loser, batch(2, 2), "s1", "mine").await;
    for sequence in 3..9 {
        set_note(&busy, batch(1, sequence), "s1", &format!("theirs {sequence}")).await;
    }
    // A restart in between forgets nothing of it.
    loser.close().await;
    let loser = open(&home).await;
    let observed = loser.observe(&STOCK, &Query::all(), None).await;
    let mut observation = observed.expect("it can be observed");
    let tasks = wire(&busy, &loser);
    let expected = Overwritten {
        id: id("s1"),
        fields: vec![OverwrittenField {
            field: "note".into(),
            ours: "mine".into(),
            theirs: Some("theirs 8".into()),
        }],
    };
    assert_eq!(next_report(&mut observation).await, [expected]);
    disconnect(tasks).await;
    set_note(&loser, batch(2, 3), "s1", "again").await;
    write(&busy, batch(1, 20), &STOCK, vec![(id("s1"), Action::Delete)]).await;
    let tasks = wire(&busy, &loser);
    let report = next_report(&mut observation).await;
    assert_eq!(report[0].fields[0].theirs, None, "it was deleted");
    assert_eq!(report[0].fields[0].ours, "again".into());
    disconnect(tasks).await;
}
