//! Opening and closing, and the wake-up.

use std::time::Duration;

use ditto_sync_core::{
    id::DocumentId,
    intent::OutboxSeq,
    query::Query,
    repository::{Mark, Repository, RepositoryError},
    store::{Cursor, Frontier, StoreId},
};
use futures_util::{FutureExt, future::BoxFuture};

use super::models::{CATEGORY, MODELS, ORDER, ORDER_ITEM, STOCK, category, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The state of a new database: nothing in flight, nothing acknowledged, no store; parents stand before their children in the order.
pub async fn a_fresh_database_has_no_past<F: RepositoryFixture>(fixture: F) {
    let bench = Bench::new(fixture).await;
    let state = &bench.state;
    assert_eq!(state.in_flight, None);
    assert_eq!(state.acknowledged, None);
    assert_eq!(state.retained, Vec::new());
    assert_eq!(state.store, None);
    assert_eq!(state.frontier, None);
    assert!(!state.await_peer);
    assert_eq!(state.models.len(), MODELS.len());
    assert!(
        state
            .models
            .iter()
            .all(|model| model.cursor.is_none() && model.reconciled.is_none())
    );
    let mut positions = state.order.clone();
    positions.sort_unstable();
    assert_eq!(positions, (0..MODELS.len()).collect::<Vec<_>>());
    let place = |collection| {
        state
            .order
            .iter()
            .position(|&at| MODELS[at].collection() == collection)
    };
    assert!(place(ORDER.collection()) < place(ORDER_ITEM.collection()));
}

/// A prepare after a close, and one after a crash, find everything in place.
pub async fn preparing_again_writes_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let before = bench.fixture.writes().await;
    bench.repository.close().await;
    let again = bench.repository.prepare(&MODELS).await.expect("it was closed");
    assert_eq!(bench.fixture.writes().await, before);
    assert_eq!(again.replica, bench.state.replica);
    let replica = bench.state.replica;
    let bench = bench.crash().await;
    assert_eq!(bench.state.replica, replica, "a crash is no new life of the file");
}

/// What is told of the state while it is open is what the next process will find.
pub async fn the_state_is_what_the_next_start_finds<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &image).await;
    bench.push().await;
    let marks = [
        Mark::Store(StoreId("s".into()), Some(Frontier(vec![1]))),
        Mark::Cursor(STOCK.collection(), Some(Cursor(vec![2]))),
        Mark::Reconciled(STOCK.collection(), Some(Query::default())),
    ];
    bench.repository.mark(&marks).await.expect("they are set");
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    let intent = bench.intent().await;
    let writes = bench.fixture.writes().await;
    let state = bench.repository.state().await.expect("it is read");
    assert_eq!(bench.fixture.writes().await, writes, "a look writes nothing");
    assert_eq!(state.in_flight, Some(intent));
    assert_eq!(
        state.retained,
        vec![(None, state.acknowledged.expect("one was sent"))]
    );
    let bench = bench.crash().await;
    assert_eq!(format!("{state:?}"), format!("{:?}", bench.state));
}

/// A handle that is in use already is no way around the lock.
pub async fn a_second_coordinator_on_the_same_handle_is_refused<F: RepositoryFixture>(fixture: F) {
    let bench = Bench::new(fixture).await;
    let refusal = bench.repository.prepare(&MODELS).await;
    assert!(
        matches!(refusal, Err(RepositoryError::InUse { .. })),
        "{refusal:?}"
    );
}

/// Only one coordinator works on a database; the lock of a dead one does not stay.
pub async fn a_second_coordinator_is_refused<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let second = bench.fixture.open().await;
    let refusal = second.prepare(&MODELS).await;
    assert!(
        matches!(refusal, Err(RepositoryError::InUse { .. })),
        "{refusal:?}"
    );
    bench.repository.close().await;
    second.prepare(&MODELS).await.expect("the lock is free");
}

/// Close may be repeated, the app goes on, and the next coordinator finds everything.
pub async fn a_closed_database_opens_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &image).await;
    let intent = bench.intent().await;
    bench.repository.close().await;
    bench.repository.close().await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    let bench = Bench::new(bench.fixture).await;
    assert_eq!(bench.state.in_flight, Some(intent));
    assert_eq!(bench.pending(&STOCK).await.entries, 2);
}

/// The triggers belong to the database: they work with no coordinator, and no code of ours, running.
pub async fn changes_of_the_app_are_captured_while_nothing_runs<F: RepositoryFixture>(fixture: F) {
    let bench = Bench::new(fixture).await;
    let Bench {
        mut fixture,
        repository,
        ..
    } = bench;
    fixture.crash(repository).await;
    let change = AppChange::insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5));
    fixture.change(change).await.expect("the app can write");
    let bench = Bench::new(fixture).await;
    let (_, operation) = bench.only_operation().await;
    assert!(
        operation.record.covers > Some(OutboxSeq(0)),
        "it was captured, not seeded"
    );
}

/// After a change of the app `changed` returns.
pub async fn a_change_of_the_app_wakes<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let waiting = pending_wait(&bench.repository);
    let change = AppChange::insert(&CATEGORY, &DocumentId::integer(1), &category("food"));
    bench.fixture.change(change).await.expect("the app can write");
    let woken = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(woken.is_ok(), "a waiting coordinator is woken");
    // One change does not wake for ever.
    drop(pending_wait(&bench.repository));
}

/// A wait that is dropped after the change, before it could return, leaves the change to the next wait.
pub async fn a_cancelled_wait_misses_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let waiting = pending_wait(&bench.repository);
    let change = AppChange::insert(&CATEGORY, &DocumentId::integer(1), &category("food"));
    bench.fixture.change(change).await.expect("the app can write");
    drop(waiting);
    let woken = tokio::time::timeout(PATIENCE, bench.repository.changed()).await;
    assert!(woken.is_ok(), "the change is told by the next wait");
}

/// A wait that has begun and found nothing. Hints that are due from opening the database are taken first.
fn pending_wait<R: Repository>(repository: &R) -> BoxFuture<'_, ()> {
    const HINTS_MAX: usize = 100;
    for _ in 0..HINTS_MAX {
        let mut waiting = repository.changed().boxed();
        if waiting.as_mut().now_or_never().is_none() {
            return waiting;
        }
    }
    panic!("`changed` always returns at once");
}
