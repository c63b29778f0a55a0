//! Stores that meet over real QUIC, on loopback only.

use std::{net::SocketAddr, path::Path, time::Duration};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore, WriteOutcome},
    value::Value,
};
use ditto_sync_testkit::models::STOCK;

use crate::{JoinError, MeshSecret, MeshStore, Ticket};

pub(super) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn open(directory: &Path) -> MeshStore {
    let builder = MeshStore::builder("tests").directory(directory).listen(LOOPBACK);
    builder.open().await.expect("a store opens on loopback")
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

pub(super) async fn insert(store: &MeshStore, name: &str, sequence: u64) {
    let fields: [(&str, Value); 3] = [
        ("id", name.into()),
        ("branchId", "b".into()),
        ("quantity", 1.into()),
    ];
    let document: Document = fields.into_iter().collect();
    let intent = Intent {
        batch: BatchId {
            replica: ReplicaId::from_bytes([9; 16]),
            sequence,
        },
        operations: vec![Operation {
            model: &STOCK,
            id: id(name),
            expect: Expect::Absent,
            action: Action::Insert(document),
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        }],
    };
    assert_eq!(
        store.write(&intent).await.expect("the store takes it"),
        WriteOutcome::Applied
    );
}

pub(super) async fn has(store: &MeshStore, name: &str) -> bool {
    let found = store.fetch(&STOCK, &[id(name)]).await.expect("the store answers");
    found[0].is_some()
}

fn connected(store: &MeshStore) -> usize {
    store.peers().iter().filter(|peer| peer.connected).count()
}

/// The port of a store that was closed and dropped, as soon as it is free.
async fn take(address: SocketAddr) -> std::net::UdpSocket {
    let mut taken = None;
    until("the port is free", async || {
        taken = std::net::UdpSocket::bind(address).ok();
        taken.is_some()
    })
    .await;
    taken.expect("it was waited for")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_joins_with_a_printed_ticket_and_changes_travel_both_ways() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let other = open(&directory.path().join("other")).await;
    insert(&one, "before", 1).await;
    let printed = one.ticket().await.expect("it listens").to_string();
    let ticket: Ticket = printed.parse().expect("a printed ticket is read back");
    other.join(&ticket).await.expect("the ticket is of this mesh");
    until("what was there has arrived", async || has(&other, "before").await).await;
    insert(&other, "back", 1).await;
    until("what was written there has arrived", async || {
        has(&one, "back").await
    })
    .await;
    assert_eq!((connected(&one), connected(&other)), (1, 1));
    one.close().await;
    until("the goodbye is heard", async || connected(&other) == 0).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_is_met_again_without_a_ticket() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let other = open(&directory.path().join("other")).await;
    other
        .join(&one.ticket().await.expect("it listens"))
        .await
        .expect("it joins");
    until("they are connected", async || {
        connected(&one) == 1 && connected(&other) == 1
    })
    .await;
    other.close().await;
    insert(&one, "meanwhile", 1).await;
    let other = open(&directory.path().join("other")).await;
    until("what it missed has arrived", async || {
        has(&other, "meanwhile").await
    })
    .await;
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_were_all_off_find_each_other_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["one", "other"].map(|name| directory.path().join(name));
    let (one, other) = (open(&paths[0]).await, open(&paths[1]).await);
    other
        .join(&one.ticket().await.expect("it listens"))
        .await
        .expect("it joins");
    until("they are connected", async || {
        connected(&one) == 1 && connected(&other) == 1
    })
    .await;
    let mut ports = Vec::new();
    for store in [one, other] {
        ports.push(store.ticket().await.expect("it listens").addresses[0]);
        store.close().await;
    }
    for port in ports {
        drop(take(port).await);
    }
    let (one, other) = (open(&paths[0]).await, open(&paths[1]).await);
    insert(&one, "morning", 1).await;
    until("they have met", async || has(&other, "morning").await).await;
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_else_has_taken_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    let before = store.ticket().await.expect("it listens").addresses[0];
    store.close().await;
    drop(store);
    let _taken = take(before).await;
    let store = open(directory.path()).await;
    let after = store.ticket().await.expect("it listens").addresses[0];
    assert_ne!(before, after);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_travel_over_a_device_between() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stores = Vec::new();
    for name in ["one", "two", "three"] {
        stores.push(open(&directory.path().join(name)).await);
    }
    let ticket = stores[1].ticket().await.expect("it listens");
    stores[0].join(&ticket).await.expect("it joins");
    stores[2].join(&ticket).await.expect("it joins");
    insert(&stores[0], "far", 1).await;
    until("the far end has it", async || has(&stores[2], "far").await).await;
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_gets_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let ours = open(&directory.path().join("ours")).await;
    insert(&ours, "secret", 1).await;
    let stranger = open(&directory.path().join("stranger")).await;
    let mut ticket = ours.ticket().await.expect("it listens");
    ticket.secret = MeshSecret::from_bytes([1; 32]);
    stranger.join(&ticket).await.expect("it cannot know better");
    // It is told by the log and by never being connected; a device that is let in comes later and overtakes it.
    let friend = open(&directory.path().join("friend")).await;
    friend
        .join(&ours.ticket().await.expect("it listens"))
        .await
        .expect("it joins");
    until("the friend has it", async || has(&friend, "secret").await).await;
    assert_eq!(connected(&stranger), 0);
    assert!(!has(&stranger, "secret").await);
    let scan = stranger.scan(&STOCK, &ditto_sync_core::query::Query::all()).await;
    assert!(scan.expect("it answers").ids.is_empty());
    for store in [ours, stranger, friend] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_stays_in_the_mesh_that_its_peers_know() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut stores = Vec::new();
    for name in ["one", "other", "friend"] {
        stores.push(open(&directory.path().join(name)).await);
    }
    let [one, other, friend] = &stores[..] else {
        unreachable!("there are three")
    };
    let first = one.ticket().await.expect("it listens");
    let second = other.ticket().await.expect("it listens");
    friend.join(&first).await.expect("it joins");
    until("they have met", async || connected(one) == 1).await;
    assert!(matches!(one.join(&second).await, Err(JoinError::OtherSecret)));
    assert!(matches!(friend.join(&second).await, Err(JoinError::OtherSecret)));
    let mut elsewhere = first.clone();
    elsewhere.mesh = "another".to_owned();
    assert!(matches!(
        other.join(&elsewhere).await,
        Err(JoinError::OtherMesh { .. })
    ));
    // This one has printed a ticket, but nobody has used it.
    other.join(&first).await.expect("it has met nobody");
    until("they have met", async || connected(one) == 2).await;
    for store in stores {
        store.close().await;
    }
}

#[tokio::test]
async fn a_directory_serves_one_store_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    let second = MeshStore::builder("tests")
        .directory(directory.path())
        .listen(LOOPBACK);
    let error = second.clone().open().await.err().expect("it is in use");
    let cause = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(
        cause.contains("another mesh store has the file open"),
        "{error}: {cause}"
    );
    store.close().await;
    second.open().await.expect("it is free again").close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_tell_their_names_and_how_far_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = async |name: &str| {
        let builder = MeshStore::builder("tests").directory(directory.path().join(name));
        builder
            .listen(LOOPBACK)
            .name(name)
            .open()
            .await
            .expect("a store opens")
    };
    let (one, other) = (open("till 1").await, open("till 2").await);
    insert(&one, "s1", 1).await;
    let ticket = one.ticket().await.expect("it listens");
    other.join(&ticket).await.expect("it joins");
    let level = |store: &MeshStore| {
        let peers = store.peers();
        let stocks = peers[0].collections.iter().find(|of| of.collection == "stocks");
        stocks.map(|of| (peers[0].name.clone(), of.behind, of.ahead))
    };
    for (store, peer) in [(&one, "till 2"), (&other, "till 1")] {
        until("the other is level", async || {
            !store.peers().is_empty() && level(store) == Some((Some(peer.to_owned()), 0, 0))
        })
        .await;
    }
    other.close().await;
    until("the goodbye is heard", async || connected(&one) == 0).await;
    insert(&one, "s2", 2).await;
    until("what it has not confirmed shows while it is away", async || {
        level(&one).is_some_and(|(_, behind, ahead)| behind > 0 && ahead == 0)
    })
    .await;
    assert!(one.peers()[0].last_seen.is_some());
    one.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_allow_each_other_need_no_ticket_and_others_stay_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let builder = |name: &str| MeshStore::builder("tests").directory(path(name)).listen(LOOPBACK);
    let mut ids = Vec::new();
    for name in ["one", "other"] {
        // The keys are made at the first start.
        let store = builder(name).open().await.expect("it opens");
        ids.push(store.id().expect("it listens"));
        store.close().await;
    }
    let one = builder("one").allow(ids[1]).open().await.expect("it opens");
    let other = builder("other").allow(ids[0]).open().await.expect("it opens");
    insert(&one, "s1", 1).await;
    // One that knows the secret is not on the list.
    let stranger = open(&path("stranger")).await;
    let ticket = one.ticket().await.expect("it listens");
    stranger.join(&ticket).await.expect("it cannot know better");
    other.connect(ids[0], &one.addresses()).await.expect("it listens");
    until("it has arrived", async || has(&other, "s1").await).await;
    assert_eq!(connected(&stranger), 0);
    assert!(!has(&stranger, "s1").await);
    for store in [one, other, stranger] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_a_directory_meet_by_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let meeting = directory.path().join("meeting");
    let open = async |name: &str, secret: u8| {
        let builder = MeshStore::builder("tests").directory(directory.path().join(name));
        let builder = builder.listen(LOOPBACK).rendezvous(&meeting);
        let builder = builder.secret(MeshSecret::from_bytes([secret; 32]));
        builder.open().await.expect("a store opens")
    };
    let (one, other, stranger) = (
        open("one", 1).await,
        open("other", 1).await,
        open("stranger", 2).await,
    );
    insert(&one, "s1", 1).await;
    until("they have met", async || has(&other, "s1").await).await;
    assert!(stranger.peers().is_empty(), "nobody of its mesh is there");
    for store in [one, other, stranger] {
        store.close().await;
    }
    let left = std::fs::read_dir(&meeting).expect("it is there").count();
    assert_eq!(left, 0, "whoever goes takes his file along");
}

#[test]
fn a_relay_is_a_url() {
    let builder = || MeshStore::builder("tests");
    assert!(builder().relay("https://relay.example").is_ok());
    assert!(builder().relay("not a url").is_err());
}
