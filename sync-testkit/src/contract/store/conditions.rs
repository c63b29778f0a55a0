//! Cases: when a write applies, how often, and who the store is.

use ditto_sync_core::{
    intent::{Action, Expect},
    query::Query,
    store::{DocumentStore, StaleId, WriteOutcome},
    value::Value,
};

use super::{
    StoreFixture,
    session::{Session, expect, fetch, field, increment, insert, open, operation, scan, set, stock, text_id},
};
use crate::models::STOCK;

/// One stale operation keeps the whole batch from being applied.
pub async fn a_stale_operation_refuses_the_whole_batch<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "stale").await;
    let mut session = Session::of(&store, 1).await;
    let (fresh, changed) = (text_id("fresh"), text_id("changed"));
    session
        .apply(fixture.stock(), &changed, insert(&changed, 1))
        .await;
    let before = fetch(&store, fixture.stock(), &changed).await;
    session
        .apply(fixture.stock(), &changed, set("note", "in between"))
        .await;

    let outcome = session
        .write(vec![
            operation(fixture.stock(), &fresh, Expect::Absent, insert(&fresh, 5)),
            operation(
                fixture.stock(),
                &changed,
                expect(fixture.stock(), before.as_ref()),
                increment(1),
            ),
        ])
        .await;
    assert_eq!(outcome, stale([&changed]), "the changed document is named");
    assert_eq!(
        fetch(&store, fixture.stock(), &fresh).await,
        None,
        "nothing of the batch was applied"
    );
    assert_eq!(
        field(&store, &changed, "quantity").await,
        Some(Value::Int(1)),
        "nothing of it at all"
    );
}

/// All that differ come back: changed, gone, and unexpectedly there.
pub async fn all_stale_ids_come_back<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "all-stale").await;
    let mut session = Session::of(&store, 1).await;
    let ids = ["changed", "gone", "there", "as-expected"].map(text_id);
    let [changed, gone, there, as_expected] = &ids;
    for id in &ids {
        session.apply(fixture.stock(), id, insert(id, 1)).await;
    }
    let was = expect(
        fixture.stock(),
        fetch(&store, fixture.stock(), gone).await.as_ref(),
    );
    session
        .apply(fixture.stock(), changed, set("note", "in between"))
        .await;
    session.apply(fixture.stock(), gone, Action::Delete).await;

    let outcome = session
        .write(vec![
            operation(fixture.stock(), changed, was, Action::Delete),
            operation(fixture.stock(), gone, was, set("note", "too late")),
            operation(fixture.stock(), there, Expect::Absent, insert(there, 9)),
            operation(fixture.stock(), as_expected, was, set("note", "right")),
        ])
        .await;
    let WriteOutcome::Stale(mut found) = outcome else {
        panic!("three of four are stale");
    };
    found.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(
        WriteOutcome::Stale(found),
        stale([changed, gone, there]),
        "all three, not only the first"
    );
    assert_eq!(
        field(&store, as_expected, "note").await,
        Some(Value::Null),
        "nothing was applied"
    );
}

/// A seed that finds a document is stale: the document is adopted instead.
pub async fn a_seed_of_an_existing_document_is_stale<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "seed-stale").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    let seed = Action::Seed(stock(&id, "kigali-1", 4));
    let outcome = session
        .write(vec![operation(fixture.stock(), &id, Expect::Absent, seed)])
        .await;
    assert_eq!(outcome, stale([&id]));
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(10)),
        "untouched"
    );
}

/// A document without its anchor is absent to `fetch`, to `scan` and to `expect`, and an insert takes its place.
pub async fn a_document_without_its_anchor_is_absent<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "husk").await;
    let mut session = Session::of(&store, 1).await;
    for (name, anchor) in [("missing", None), ("null", Some(Value::Null))] {
        let id = text_id(name);
        let mut husk = stock(&id, "kigali-1", 5);
        husk.remove("id");
        if let Some(anchor) = anchor {
            husk.set("id", anchor);
        }
        session.apply(fixture.stock(), &id, Action::Insert(husk)).await;
        assert_eq!(
            fetch(&store, fixture.stock(), &id).await,
            None,
            "a husk ({name}) is absent to fetch"
        );
        assert!(
            !scan(&store, fixture.stock(), &Query::all()).await.contains(&id),
            "and to scan"
        );
        let document = stock(&id, "kigali-2", 7);
        session
            .apply(fixture.stock(), &id, Action::Insert(document.clone()))
            .await;
        assert_eq!(
            fetch(&store, fixture.stock(), &id).await,
            Some(document),
            "an insert takes its place"
        );
    }
}

/// The same batch again answers `Applied` and does nothing, though its expectations hold no longer.
pub async fn a_batch_applies_once<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "once").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    let found = fetch(&store, fixture.stock(), &id).await;
    let intent = session.intent(vec![operation(
        fixture.stock(),
        &id,
        expect(fixture.stock(), found.as_ref()),
        increment(1),
    )]);
    for _ in 0..3 {
        let outcome = store.write(&intent).await.expect("a valid intent is answered");
        assert_eq!(outcome, WriteOutcome::Applied);
    }
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(11)),
        "applied once"
    );
}

/// A batch is remembered across a restart.
pub async fn a_batch_applies_once_across_a_restart<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "once-restart").await;
    let id = text_id("s1");
    let intent = {
        let mut session = Session::of(&store, 1).await;
        session.apply(fixture.stock(), &id, insert(&id, 10)).await;
        let found = fetch(&store, fixture.stock(), &id).await;
        session.intent(vec![operation(
            fixture.stock(),
            &id,
            expect(fixture.stock(), found.as_ref()),
            increment(1),
        )])
    };
    store.write(&intent).await.expect("a valid intent is answered");
    let store = fixture.reopen("once-restart", store).await;
    let outcome = store.write(&intent).await.expect("a valid intent is answered");
    assert_eq!(outcome, WriteOutcome::Applied);
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(11)),
        "applied once"
    );
}

/// A batch that was refused has not been applied, and `identity` does not say so.
pub async fn a_refused_batch_is_not_the_last_applied<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "refused").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    let applied = last_applied(&store, &session).await;
    let operations = vec![operation(fixture.stock(), &id, Expect::Absent, insert(&id, 11))];
    assert_eq!(session.write(operations.clone()).await, stale([&id]));
    assert_eq!(
        last_applied(&store, &session).await,
        applied,
        "a refusal is not recorded"
    );
    // Its expectation may hold later; then the same batch is applied like any other.
    session.apply(fixture.stock(), &id, Action::Delete).await;
    assert_eq!(session.write(operations).await, WriteOutcome::Applied);
    assert_eq!(field(&store, &id, "quantity").await, Some(Value::Int(11)));
}

/// The store keeps its id and each replica's last batch across a restart.
pub async fn identity_survives_a_restart<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "identity").await;
    let mut session = Session::of(&store, 1).await;
    let replica = session.replica();
    let first = store.identity(replica).await.expect("identity can be read");
    assert_eq!(first.last_applied, None, "nothing was applied yet");
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    session.apply(fixture.stock(), &id, increment(1)).await;
    let before = store.identity(replica).await.expect("identity can be read");
    assert_eq!(before.last_applied, Some(2), "the sequence of the last batch");
    assert_eq!(before.store, first.store, "the id does not change by writing");
    let store = fixture.reopen("identity", store).await;
    let after = store.identity(replica).await.expect("identity can be read");
    assert_eq!(after, before, "the same store, as far as before");

    let other = open(fixture, "identity-of-another").await;
    let other = other.identity(replica).await.expect("identity can be read");
    assert_ne!(other.store, after.store, "another store has another id");
}

/// Each replica has its own numbers.
pub async fn replicas_are_told_apart<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "replicas").await;
    let (mut one, mut other) = (Session::of(&store, 1).await, Session::of(&store, 2).await);
    let id = text_id("s1");
    one.apply(fixture.stock(), &id, insert(&id, 10)).await;
    one.apply(fixture.stock(), &id, increment(1)).await;
    other.apply(fixture.stock(), &id, increment(1)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(12)),
        "both were applied"
    );
    assert_eq!(last_applied(&store, &one).await, Some(2));
    assert_eq!(last_applied(&store, &other).await, Some(1));
}

async fn last_applied<S: DocumentStore>(store: &S, session: &Session<'_, S>) -> Option<u64> {
    let identity = store.identity(session.replica()).await;
    identity.expect("identity can be read").last_applied
}

fn stale<const N: usize>(ids: [&ditto_sync_core::id::DocumentId; N]) -> WriteOutcome {
    let stale = ids.map(|id| StaleId {
        collection: STOCK.collection(),
        id: id.clone(),
    });
    WriteOutcome::Stale(stale.to_vec())
}
