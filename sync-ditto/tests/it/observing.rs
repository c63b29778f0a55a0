//! Observations, beyond the contract: what is between two results of the engine, and large collections.

use ditto_sync_core::{
    intent::{Action, Expect},
    query::{Query, field},
    store::{DocumentStore, Observation},
};
use ditto_sync_testkit::models::STOCK;
use serde_json::json;

use super::{
    fixture::{Bare, open_new},
    session::{fetch, insert, operation, patch, text_id, wait_for, write},
};

/// More than the engine hands over whole.
const MANY: usize = 2500;

#[tokio::test]
async fn changes_of_other_programs_are_reported_in_small_collections() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it begins");
    let id = text_id("s1");
    for change in [
        "INSERT INTO stocks DOCUMENTS ({'_id': 's1', 'id': 's1', 'branchId': 'x', 'quantity': 1})",
        "UPDATE stocks SET note = 'x' WHERE _id = 's1'",
        "DELETE FROM stocks WHERE _id = 's1'",
    ] {
        bare.changes(change, json!({})).await;
        wait_for(&mut observation, &id).await;
    }
}

/// So that a restart reads what has not changed once, and not twice.
#[tokio::test]
async fn an_observation_says_the_hashes_of_all_that_it_began_with() {
    let (_directory, store) = open_new().await;
    fill(&store).await;
    let observation = store.observe(&STOCK, &Query::all(), None).await;
    let observation = observation.expect("it begins");
    let scan = store.scan(&STOCK, &Query::all()).await.expect("it scans");
    let ids: Vec<_> = scan.ids.iter().collect();
    let documents = store.fetch(&STOCK, &ids).await.expect("it fetches");
    let hash = |document: &Option<_>| STOCK.hash_of(document.as_ref()).expect("a row");
    let hashes: Vec<_> = documents.iter().map(hash).collect();
    assert!(hashes.len() == MANY && hashes.iter().all(Option::is_some));
    assert_eq!(observation.seen(&ids), hashes);
}

#[tokio::test]
async fn changes_of_other_programs_are_reported_in_large_collections() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    fill(&store).await;
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it begins");
    for change in [
        "UPDATE stocks SET note = 'x' WHERE _id = 's7'",
        "UPDATE stocks APPLY quantity INCREMENT BY 1 WHERE _id = 's7'",
        "DELETE FROM stocks WHERE _id = 's7'",
        "INSERT INTO stocks DOCUMENTS ({'_id': 's7', 'id': 's7', 'branchId': 'x', 'quantity': 1})",
    ] {
        bare.changes(change, json!({})).await;
        wait_for(&mut observation, &text_id("s7")).await;
    }
}

/// The engine then only rings.
#[tokio::test]
async fn a_collection_that_grows_goes_on_being_observed() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it begins");
    let documents: Vec<_> = (0..2 * MANY)
        .map(|at| json!({"_id": format!("s{at}"), "id": format!("s{at}"), "branchId": "x", "quantity": 1}))
        .collect();
    for documents in documents.chunks(500) {
        bare.changes(
            "INSERT INTO stocks DOCUMENTS (:docs)",
            json!({ "docs": documents }),
        )
        .await;
    }
    wait_for(&mut observation, &text_id(&format!("s{}", 2 * MANY - 1))).await;
    for round in 0..3 {
        bare.changes(
            "UPDATE stocks SET note = :note WHERE _id = 's7'",
            json!({"note": round.to_string()}),
        )
        .await;
        wait_for(&mut observation, &text_id("s7")).await;
    }
}

/// What appeared and vanished between two results of the engine is in neither; whoever has read it must hear of its end.
#[tokio::test]
async fn what_a_fetch_has_met_is_reported_though_it_is_gone_again() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    fill(&store).await;
    let query = Query::new(field("branchId").eq("kigali-9"));
    let mut observation = store.observe(&STOCK, &query, None).await.expect("it begins");
    let id = text_id("short");
    for way_out in [
        "DELETE FROM stocks WHERE _id = 'short'",
        "UPDATE stocks SET branchId = 'x' WHERE _id = 'short'",
    ] {
        let document = json!({"d": {"_id": "short", "id": "short", "branchId": "kigali-9", "quantity": 1}});
        bare.changes("INSERT INTO stocks DOCUMENTS (:d)", document).await;
        assert!(fetch(&store, &STOCK, &id).await.is_some());
        bare.changes(way_out, json!({})).await;
        wait_for(&mut observation, &id).await;
    }
}

/// A value that came back to what it was is a change to whoever has read what was between.
#[tokio::test]
async fn what_a_fetch_has_met_is_reported_though_it_is_as_before() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    fill(&store).await;
    let id = text_id("s7");
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it begins");
    let set = async |note: serde_json::Value| {
        bare.changes(
            "UPDATE stocks SET note = :note WHERE _id = 's7'",
            json!({ "note": note }),
        )
        .await;
    };
    set(json!("for a moment")).await;
    assert!(fetch(&store, &STOCK, &id).await.is_some());
    set(json!(null)).await;
    wait_for(&mut observation, &id).await;
}

/// Own writes need no help of the engine, so they are reported at once, whatever became of them.
#[tokio::test]
async fn own_writes_are_reported_though_they_never_matched() {
    let (_directory, store) = open_new().await;
    let query = Query::new(field("branchId").eq("kigali-9"));
    let mut observation = store.observe(&STOCK, &query, None).await.expect("it begins");
    let id = text_id("s1");
    write(&store, 1, vec![insert(&id, 1)]).await;
    wait_for(&mut observation, &id).await;
    let operation = patch(&store, &id, &[("note", "x".into())], &[]).await;
    write(&store, 2, vec![operation]).await;
    wait_for(&mut observation, &id).await;
}

async fn fill(store: &ditto_sync_ditto::DittoStore) {
    let ids: Vec<_> = (0..MANY).map(|at| text_id(&format!("s{at}"))).collect();
    for (chunk, sequence) in ids.chunks(1000).zip(1..) {
        let document = |id| super::session::stock(id, 1);
        let inserts = chunk
            .iter()
            .map(|id| operation(&STOCK, id, Expect::Absent, Action::Insert(document(id))));
        write(store, sequence, inserts.collect()).await;
    }
}
