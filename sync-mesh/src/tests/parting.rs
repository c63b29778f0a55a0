//! Rows of several branches, each in a document of its own: who takes which, and what becomes of a row that moves while others write it.

use std::{path::Path, sync::Arc};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::Action,
    query::{Query, field as of, param},
    store::{ChangeKind, DocumentStore, Observation, Overwritten},
    value::Value,
};
use ditto_sync_testkit::models::{BRANCH_STOCK, STOCK};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use super::{
    exchanging::{batch, covers, disconnect, even, id, until, write},
    restoring::make_old,
    wire::{device_of, wire},
};
use crate::{
    Interest, MeshStore,
    limits::{INTENT_OPERATIONS_MAX, MESSAGES_WAITING, PARTITIONS_MAX},
    link::carry,
    message::Message,
};

fn branch(name: &str) -> Interest {
    let interest = Interest::everything().partition("stocks", [("branchId", name)]);
    interest.expect("text parts rows")
}

async fn open(directory: &Path, interest: Interest) -> MeshStore {
    let builder = MeshStore::builder("tests").directory(directory).offline();
    builder.interest(interest).open().await.expect("a store opens")
}

fn stock(name: &str, branch: &str) -> Document {
    let fields: [(&str, Value); 4] = [
        ("id", name.into()),
        ("branchId", branch.into()),
        ("quantity", 10.into()),
        ("note", "new".into()),
    ];
    fields.into_iter().collect()
}

fn set(field: &str, value: &str) -> Action {
    Action::Patch {
        set: vec![(field.into(), value.into())],
        increments: vec![],
    }
}

fn add(amount: i64) -> Action {
    Action::Patch {
        set: vec![],
        increments: vec![("quantity".into(), amount)],
    }
}

/// One device, and the number of its next batch.
struct Till {
    store: MeshStore,
    number: u8,
    batches: u64,
}

impl Till {
    async fn open(directory: &Path, number: u8, interest: Interest) -> Self {
        let store = open(&directory.join(number.to_string()), interest).await;
        Self {
            store,
            number,
            batches: 0,
        }
    }

    async fn apply(&mut self, name: &str, action: Action) {
        self.batches += 1;
        let batch = batch(self.number, self.batches);
        write(&self.store, batch, &BRANCH_STOCK, vec![(id(name), action)]).await;
    }

    async fn document(&self, name: &str) -> Option<Document> {
        let found = self.store.fetch(&BRANCH_STOCK, &[id(name)]).await;
        found.expect("the store answers").remove(0)
    }

    async fn field(&self, name: &str, field: &str) -> Option<Value> {
        self.document(name).await?.remove(field)
    }

    async fn observe(&self) -> impl Observation + use<> {
        let observation = self.store.observe(&BRANCH_STOCK, &Query::all(), None).await;
        observation.expect("it is observed")
    }
}

/// Two that take everything, both of which hold the row "s" of the branch "b1", without a connection.
async fn two_that_hold_a_row(directory: &Path) -> (Till, Till) {
    let mut one = Till::open(directory, 1, Interest::everything()).await;
    let other = Till::open(directory, 2, Interest::everything()).await;
    one.apply("s", Action::Insert(stock("s", "b1"))).await;
    let tasks = wire(&one.store, &other.store);
    until("it arrives", async || other.document("s").await.is_some()).await;
    even(&one.store, &other.store).await;
    disconnect(tasks).await;
    (one, other)
}

/// Everything that was said to the second of two stores that are connected.
fn overheard(one: &MeshStore, other: &MeshStore) -> (Arc<Mutex<Vec<Message>>>, Vec<JoinHandle<()>>) {
    let (to_one, at_one) = mpsc::channel(MESSAGES_WAITING);
    let (to_other, mut passing) = mpsc::channel::<Vec<u8>>(MESSAGES_WAITING);
    let (passed, at_other) = mpsc::channel(MESSAGES_WAITING);
    let heard: Arc<Mutex<Vec<Message>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let ends = [(one, other, at_one, to_other), (other, one, at_other, to_one)];
    let tasks = ends.map(|(store, peer, incoming, outgoing)| {
        let (engine, peer) = (store.engine().clone(), peer.engine().clone());
        tokio::spawn(async move {
            let device = device_of(&peer).await;
            let ended = carry(&engine, device, incoming, outgoing).await;
            ended.expect("peers of tests keep the protocol");
        })
    });
    let passing = tokio::spawn(async move {
        while let Some(frame) = passing.recv().await {
            let message = Message::decode(&frame).expect("peers keep the protocol");
            hearing.lock().await.push(message);
            if passed.send(frame).await.is_err() {
                break;
            }
        }
    });
    let mut all = Vec::from(tasks);
    all.push(passing);
    (heard, all)
}

async fn stop(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_branches_that_are_not_taken_nothing_arrives() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut hub = Till::open(directory.path(), 1, Interest::everything()).await;
    let mut till = Till::open(directory.path(), 2, branch("b1")).await;
    hub.apply("here", Action::Insert(stock("here", "b1"))).await;
    hub.apply("there", Action::Insert(stock("there", "b2"))).await;
    hub.apply(
        "nowhere",
        Action::Insert({
            let mut without = stock("nowhere", "b1");
            without.set("branchId", Value::Null);
            without
        }),
    )
    .await;
    till.apply("sent", Action::Insert(stock("sent", "b2"))).await;
    let (heard, tasks) = overheard(&hub.store, &till.store);
    until("its own branch has arrived", async || {
        till.document("here").await.is_some()
    })
    .await;
    until("and what belongs to none", async || {
        till.document("nowhere").await.is_some()
    })
    .await;
    until("what it wrote for others has left", async || {
        hub.document("sent").await.is_some()
    })
    .await;
    hub.apply("there", add(1)).await;
    hub.apply("here", add(1)).await;
    until("it goes on", async || {
        till.field("here", "quantity").await == Some(11.into())
    })
    .await;
    assert_eq!(till.document("there").await, None);
    for message in &*heard.lock().await {
        if let Message::Update { shard, .. } | Message::Snapshot { shard, .. } = message {
            let fields = shard.partition.fields();
            let is_other = fields.iter().any(|(_, value)| *value == Value::from("b2"));
            assert!(!is_other, "{shard} was sent to somebody who does not take it");
        }
    }
    till.store.set_interest(branch("b2")).await.expect("it is open");
    until("it changes over", async || {
        till.document("there").await.is_some() && till.document("here").await.is_none()
    })
    .await;
    assert_eq!(till.field("there", "quantity").await, Some(11.into()));
    stop(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_is_deleted_nowhere_and_counts_exactly() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Till::open(directory.path(), 1, Interest::everything()).await;
    let mut here = Till::open(directory.path(), 2, branch("b1")).await;
    let mut there = Till::open(directory.path(), 3, branch("b2")).await;
    let tasks = [wire(&hub.store, &here.store), wire(&hub.store, &there.store)];
    here.apply("s", Action::Insert(stock("s", "b1"))).await;
    here.apply("s", add(5)).await;
    let mine = Query::new(of("branchId").eq(param("branch"))).with("branch", "b1");
    let mut observation = here
        .store
        .observe(&BRANCH_STOCK, &mine, None)
        .await
        .expect("it is observed");
    here.apply("s", set("branchId", "b2")).await;
    let batch = observation.next().await.expect("it goes on");
    let kinds: Vec<ChangeKind> = batch.changes.iter().map(|change| change.kind).collect();
    assert!(kinds.iter().all(|kind| *kind == ChangeKind::Moved), "{kinds:?}");
    until("it arrives", async || {
        there.field("s", "quantity").await == Some(15.into())
    })
    .await;
    // Somebody who has not heard of the move yet would write it so; so does this device, which takes no more of it.
    here.apply("s", add(100)).await;
    there.apply("s", add(7)).await;
    there.apply("s", set("note", "there")).await;
    for till in [&hub, &there] {
        until("both count", async || {
            till.field("s", "quantity").await == Some(122.into())
        })
        .await;
        until("the note arrives", async || {
            till.field("s", "note").await == Some("there".into())
        })
        .await;
        assert_eq!(till.field("s", "branchId").await, Some("b2".into()));
    }
    there.apply("s", set("branchId", "b1")).await;
    until("it comes back", async || {
        here.field("s", "branchId").await == Some("b1".into())
    })
    .await;
    here.apply("s", add(1000)).await;
    for till in [&hub, &here] {
        until("all of it counts", async || {
            till.field("s", "quantity").await == Some(1122.into())
        })
        .await;
        assert_eq!(till.field("s", "note").await, Some("there".into()));
    }
    for task in tasks {
        disconnect(task).await;
    }
}

/// What two did to a row at once, one of whom has moved it, as a hub that holds all sees it afterwards; and so many reports of the one who moved it.
async fn at_once(
    moved: Vec<Action>,
    stayed: Vec<Action>,
    reports: usize,
) -> (Option<Document>, Vec<Overwritten>) {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Till::open(directory.path(), 1, Interest::everything()).await;
    let mut mover = Till::open(directory.path(), 2, branch("b2")).await;
    let mut other = Till::open(directory.path(), 3, branch("b1")).await;
    other.apply("s", Action::Insert(stock("s", "b1"))).await;
    let both = Interest::everything();
    mover.store.set_interest(both).await.expect("it is open");
    let tasks = [wire(&hub.store, &mover.store), wire(&hub.store, &other.store)];
    until("it arrives", async || mover.document("s").await.is_some()).await;
    even(&hub.store, &mover.store).await;
    for task in tasks {
        disconnect(task).await;
    }
    let mut observation = mover.observe().await;
    mover.apply("s", set("branchId", "b2")).await;
    for action in moved {
        mover.apply("s", action).await;
    }
    for action in stayed {
        other.apply("s", action).await;
    }
    let tasks = [wire(&hub.store, &mover.store), wire(&hub.store, &other.store)];
    until("all of it is known", async || {
        covers(&hub.store, &mover.store).await
            && covers(&hub.store, &other.store).await
            && covers(&mover.store, &hub.store).await
    })
    .await;
    let document = hub.document("s").await;
    assert_eq!(mover.document("s").await, document);
    let mut overwritten = Vec::new();
    until("what was replaced is reported", async || {
        if overwritten.len() < reports {
            let news = observation.next().await.expect("it goes on");
            overwritten.extend(news.overwritten);
        }
        overwritten.len() >= reports
    })
    .await;
    for task in tasks {
        disconnect(task).await;
    }
    (document, overwritten)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_where_a_row_was_is_carried_over() {
    let (found, _) = at_once(vec![add(3)], vec![add(4), set("note", "late")], 0).await;
    let found = found.expect("nobody deletes it");
    assert_eq!(found.get("branchId"), Some(&"b2".into()));
    assert_eq!(found.get("note"), Some(&"late".into()));
    assert_eq!(found.get("quantity"), Some(&Value::Int(17)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carried_values_replace_is_reported() {
    let (found, overwritten) = at_once(vec![set("note", "ours")], vec![set("note", "late")], 1).await;
    let found = found.expect("nobody deletes it");
    let note = found.get("note").cloned();
    assert_eq!(note, Some("late".into()));
    let fields: Vec<_> = overwritten.iter().flat_map(|lost| &lost.fields).collect();
    assert_eq!(fields.len(), 1, "{fields:?}");
    assert_eq!(
        (&*fields[0].field, &fields[0].ours, &fields[0].theirs),
        ("note", &"ours".into(), &note)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_somebody_sets_back_on_purpose_is_no_loss() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut one, mut other) = two_that_hold_a_row(directory.path()).await;
    let mut observation = one.observe().await;
    one.apply("s", set("branchId", "b2")).await;
    other.apply("s", set("note", "late")).await;
    let tasks = wire(&one.store, &other.store);
    let note = async |till: &Till| till.field("s", "note").await;
    for till in [&one, &other] {
        until("it is carried over", async || {
            note(till).await == Some("late".into()) && till.field("s", "branchId").await == Some("b2".into())
        })
        .await;
    }
    even(&one.store, &other.store).await;
    one.apply("s", set("note", "ours")).await;
    until("the other one knows it", async || {
        note(&other).await == Some("ours".into())
    })
    .await;
    // The value that was carried over once.
    other.apply("s", set("note", "late")).await;
    until("it is back", async || note(&one).await == Some("late".into())).await;
    one.apply("last", Action::Insert(stock("last", "b2"))).await;
    until("all of it was told", async || {
        let news = observation.next().await.expect("it goes on");
        assert!(news.overwritten.is_empty(), "{:?}", news.overwritten);
        news.changes.iter().any(|change| change.id == id("last"))
    })
    .await;
    disconnect(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_wins_over_a_move_that_did_not_know_it() {
    let (found, _) = at_once(vec![set("note", "ours"), add(1)], vec![Action::Delete], 0).await;
    assert_eq!(found, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_at_once_end_at_one_place_and_the_other_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut one, mut other) = two_that_hold_a_row(directory.path()).await;
    let mut observation = one.observe().await;
    one.apply("s", set("branchId", "b2")).await;
    one.apply("s", add(1)).await;
    one.apply("s", set("note", "kept")).await;
    other.apply("s", set("branchId", "b3")).await;
    other.apply("s", add(2)).await;
    let tasks = wire(&one.store, &other.store);
    for till in [&one, &other] {
        until("they meet at one place", async || {
            till.field("s", "branchId").await == Some("b3".into())
                && till.field("s", "quantity").await == Some(13.into())
                && till.field("s", "note").await == Some("kept".into())
        })
        .await;
    }
    let mut lost = Vec::new();
    until("the move that did not last is reported", async || {
        let news = observation.next().await.expect("it goes on");
        lost.extend(news.overwritten.into_iter().flat_map(|lost| lost.fields));
        !lost.is_empty()
    })
    .await;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(
        (&*lost[0].field, &lost[0].ours, &lost[0].theirs),
        ("branchId", &"b2".into(), &Some("b3".into()))
    );
    disconnect(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_elsewhere_follows_a_delete() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut till = Till::open(directory.path(), 1, Interest::everything()).await;
    till.apply("s", Action::Insert(stock("s", "b1"))).await;
    till.apply("s", add(5)).await;
    till.apply("s", Action::Delete).await;
    assert_eq!(till.document("s").await, None);
    let mut again = stock("s", "b2");
    again.remove("note");
    till.apply("s", Action::Insert(again.clone())).await;
    assert_eq!(
        till.document("s").await,
        Some(again),
        "nothing of the old row shows"
    );
    let scan = till
        .store
        .scan(&BRANCH_STOCK, &Query::all())
        .await
        .expect("it answers");
    assert_eq!(scan.ids.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_before_there_were_partitions_opens_and_its_rows_move_when_they_change_their_scope() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), Interest::everything()).await;
    let insert = vec![(id("s"), Action::Insert(stock("s", "b1")))];
    write(&store, batch(1, 1), &STOCK, insert).await;
    store.close().await;
    // As it was written then: the model had no partitions, and the tables no column for them.
    make_old(&directory.path().join("mesh.sqlite"), 2).await;
    let mut till = Till {
        store: open(directory.path(), Interest::everything()).await,
        number: 1,
        batches: 1,
    };
    till.apply("s", add(1)).await;
    till.apply("s", set("branchId", "b2")).await;
    till.apply("s", add(1)).await;
    let mut expected = stock("s", "b2");
    expected.set("quantity", 12);
    assert_eq!(till.document("s").await, Some(expected));
    let all: Vec<DocumentId> = vec![id("s")];
    let mine = Query::new(of("branchId").eq(param("branch"))).with("branch", "b2");
    let scan = till.store.scan(&BRANCH_STOCK, &mine).await.expect("it answers");
    assert_eq!(scan.ids.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_more_branches_than_there_is_room_for_are_taken_by_everybody() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Till::open(directory.path(), 1, Interest::everything()).await;
    let till = Till::open(directory.path(), 2, branch("0")).await;
    let rows: Vec<(DocumentId, Action)> = (0..=PARTITIONS_MAX)
        .map(|n| n.to_string())
        .map(|n| (id(&n), Action::Insert(stock(&n, &n))))
        .collect();
    for (number, rows) in (1..).zip(rows.chunks(INTENT_OPERATIONS_MAX)) {
        write(&hub.store, batch(1, number), &BRANCH_STOCK, rows.to_vec()).await;
    }
    let tasks = wire(&hub.store, &till.store);
    let beyond = PARTITIONS_MAX.to_string();
    until("what had no room is sent to everybody", async || {
        till.document("0").await.is_some() && till.document(&beyond).await.is_some()
    })
    .await;
    assert_eq!(till.document("1").await, None);
    disconnect(tasks).await;
}
