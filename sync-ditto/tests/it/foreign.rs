//! Documents that other programs write through the same engine.

use ditto_sync_core::{
    intent::{Action, Expect},
    store::{DocumentStore, StaleId, WriteOutcome},
    value::Value,
};
use ditto_sync_testkit::models::STOCK;
use serde_json::json;

use super::{
    fixture::{Bare, open_new},
    session::{fetch, insert, intent, operation, patch, quantity, stock, text_id, write},
};

/// Ditto keeps a number and a counter of one name side by side, and an increment would hide the number.
#[tokio::test]
async fn an_increment_adds_to_a_number_that_was_no_counter() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let id = text_id("s1");
    let plain = json!({"d": {"_id": "s1", "id": "s1", "branchId": "kigali-1", "quantity": 10}});
    bare.changes("INSERT INTO stocks DOCUMENTS (:d)", plain).await;
    let first = patch(&store, &id, &[("note", "counted".into())], &[("quantity", -3)]).await;
    write(&store, 1, vec![first]).await;
    assert_eq!(quantity(&store, &id).await, Some(Value::Int(7)));
    let second = patch(&store, &id, &[], &[("quantity", -3)]).await;
    write(&store, 2, vec![second]).await;
    assert_eq!(quantity(&store, &id).await, Some(Value::Int(4)));

    // Over the counter, too.
    let over = "INSERT INTO stocks DOCUMENTS (:d) ON ID CONFLICT DO UPDATE";
    bare.changes(over, json!({"d": {"_id": "s1", "quantity": 100}}))
        .await;
    assert_eq!(quantity(&store, &id).await, Some(Value::Int(100)));
    let third = patch(&store, &id, &[], &[("quantity", 1)]).await;
    write(&store, 3, vec![third]).await;
    assert_eq!(quantity(&store, &id).await, Some(Value::Int(101)));
}

/// A change between reading and writing makes a batch stale; a counter is no exception.
#[tokio::test]
async fn what_another_program_changes_makes_a_batch_stale() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let ids = ["a", "b", "c", "d"].map(text_id);
    write(&store, 1, ids.iter().map(|id| insert(id, 1)).collect()).await;
    let mut operations = Vec::new();
    for id in &ids {
        operations.push(patch(&store, id, &[], &[("quantity", 1)]).await);
    }
    bare.changes(
        "UPDATE stocks APPLY quantity INCREMENT BY 5 WHERE _id = 'a'",
        json!({}),
    )
    .await;
    bare.changes("UPDATE stocks SET note = 'x' WHERE _id = 'b'", json!({}))
        .await;
    bare.changes("DELETE FROM stocks WHERE _id = 'c'", json!({}))
        .await;
    let outcome = store.write(&intent(2, operations)).await.expect("it is answered");
    let stale = ids[..3].iter().map(|id| StaleId {
        collection: STOCK.collection(),
        id: id.clone(),
    });
    assert_eq!(outcome, WriteOutcome::Stale(stale.collect()));
    assert_eq!(
        quantity(&store, &ids[3]).await,
        Some(Value::Int(1)),
        "nothing was applied"
    );
}

/// What a delete left of a concurrent edit is no document, and an insert takes its place.
#[tokio::test]
async fn an_insert_takes_the_place_of_a_husk_and_of_a_ghost() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    bare.changes(
        "INSERT INTO stocks DOCUMENTS (:d)",
        json!({"d": {"_id": "husk", "note": "x", "old": 1}}),
    )
    .await;
    let ghost = json!({"d": {"_id": "ghost", "id": null, "quantity": 0, "note": null}});
    bare.changes("INSERT INTO stocks DOCUMENTS (:d)", ghost).await;
    for (sequence, name) in [(1, "husk"), (2, "ghost")] {
        let id = text_id(name);
        assert_eq!(fetch(&store, &STOCK, &id).await, None);
        write(
            &store,
            sequence,
            vec![insert(&id, 3), insert(&text_id(&format!("{name} too")), 1)],
        )
        .await;
        assert_eq!(fetch(&store, &STOCK, &id).await, Some(stock(&id, 3)));
    }
}

/// Seeds where something was deleted are left out; the others of the batch are made.
#[tokio::test]
async fn a_seed_leaves_no_ghost_and_holds_up_no_other() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let ids: Vec<_> = (0..20).map(|at| text_id(&format!("s{at}"))).collect();
    write(&store, 1, ids[..5].iter().map(|id| insert(id, 1)).collect()).await;
    bare.changes("DELETE FROM stocks", json!({})).await;
    let seeds = ids
        .iter()
        .map(|id| operation(&STOCK, id, Expect::Absent, Action::Seed(stock(id, 2))));
    write(&store, 2, seeds.collect()).await;
    let count = bare.rows("SELECT count(*) FROM stocks", json!({})).await;
    assert_eq!(
        count[0].as_object().and_then(|row| row.values().next()?.as_i64()),
        Some(15),
        "no ghosts"
    );
    assert_eq!(fetch(&store, &STOCK, &ids[0]).await, None);
    assert_eq!(quantity(&store, &ids[19]).await, Some(Value::Int(2)));
}

/// The engine says that a document is too big only when it is there; then the operation is named.
#[tokio::test]
async fn what_the_engine_refuses_is_named_when_it_is_alone() {
    let (_directory, store) = open_new().await;
    let id = text_id("s1");
    write(&store, 1, vec![insert(&id, 1)]).await;
    let mut refused = None;
    // Each is small enough; together, with their history, they are not.
    for sequence in 2..10 {
        let text = Value::Text("x".repeat(2 << 20));
        let name = format!("field{sequence}");
        let operation = patch(&store, &id, &[(&name, text)], &[]).await;
        let outcome = store.write(&intent(sequence, vec![operation])).await;
        if let Err(error) = outcome {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("a document of 16 MB is refused");
    let ditto_sync_core::store::StoreError::Rejected(rejections) = error else {
        panic!("{error:?}");
    };
    assert_eq!(rejections[0].id, id);
    assert!(
        rejections[0].reason.contains("exceeds"),
        "{}",
        rejections[0].reason
    );
}
