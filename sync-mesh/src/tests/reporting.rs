//! What the app hears of its changes: that a peer holds them, and that one gave way.

use ditto_sync_core::{
    intent::Action,
    query::Query,
    store::{ChangeBatch, DocumentStore, Observation, Overwritten, OverwrittenField},
};
use ditto_sync_testkit::models::STOCK;

use super::{
    exchanging::{PATIENCE, batch, disconnect, even, id, insert, open, set_note, until, write},
    wire::wire,
};
use crate::MeshStore;

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

#[tokio::test(flavor = "multi_thread")]
async fn an_own_write_is_reported_with_the_hash_of_its_document() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let other = open(&directory.path().join("other")).await;
    let mut own = one
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it is observed");
    let mut foreign = other
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it is observed");
    insert(&one, batch(1, 1), "s1").await;
    let document = one
        .fetch(&STOCK, &[id("s1")])
        .await
        .expect("it is read")
        .remove(0);
    let hash = STOCK.hash_of(document.as_ref()).expect("it is a row");
    assert!(hash.is_some());
    let reported = own.next().await.expect("it goes on").changes;
    assert_eq!(
        reported.iter().map(|change| change.hash).collect::<Vec<_>>(),
        [hash]
    );
    let tasks = wire(&one, &other);
    let reported = foreign.next().await.expect("it goes on").changes;
    let hashes: Vec<_> = reported.iter().map(|change| change.hash).collect();
    assert_eq!(hashes, [None], "nobody here can know it");
    disconnect(tasks).await;
}
