//! Cases: observations and cursors.

use std::collections::BTreeSet;

use ditto_sync_core::{
    intent::{Action, Expect},
    query::{Query, field},
    store::{Change, ChangeKind, DocumentStore, Observation, StoreError, WriteOutcome},
};
use futures_util::FutureExt;

use super::{
    StoreFixture,
    session::{
        Session, fetch, increment, insert, next, open, operation, scan, set, stock, text_id, wait_for_change,
        wait_impatiently,
    },
};
use crate::models::STOCK;

/// Own writes are reported: inserts, patches and deletes.
pub async fn own_writes_are_observed<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "own").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut observation = observe_all(&store).await;
    for action in [insert(&id, 1), set("note", "seen"), increment(2)] {
        session.apply(fixture.stock(), &id, action).await;
        let (kind, _, _) = wait_for_change(&mut observation, &id).await;
        assert_eq!(kind, ChangeKind::Upserted);
    }
    session.apply(fixture.stock(), &id, Action::Delete).await;
    let (_, _, _) = wait_for_change(&mut observation, &id).await;
    assert_eq!(
        fetch(&store, fixture.stock(), &id).await,
        None,
        "a hint: the document says what happened"
    );
}

/// Where a change comes with a hash, it is that of the document, also when the document was there before and counts.
pub async fn a_hash_that_comes_with_a_change_is_that_of_the_document<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "hashes").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut observation = observe_all(&store).await;
    let writes = [
        insert(&id, 1),
        set("note", "seen"),
        increment(2),
        Action::Delete,
        insert(&id, 5),
        insert(&id, 7),
    ];
    for action in writes {
        let exists = action != Action::Delete;
        session.apply(fixture.stock(), &id, action).await;
        let document = fetch(&store, fixture.stock(), &id).await;
        let hash = fixture
            .stock()
            .hash_of(document.as_ref())
            .expect("documents of the suite fit their model");
        assert_eq!(hash.is_some(), exists);
        // Engines may report what was before, too.
        loop {
            let batch = next(&mut observation).await;
            let change = batch.changes.into_iter().rfind(|change| change.id == id);
            match change {
                Some(change) if change.hash.is_none() || change.hash == hash => break,
                _ => {}
            }
        }
    }
}

/// What an observation tells of documents without a fetch is how they are, or will be reported.
pub async fn what_an_observation_has_seen_is_so_or_is_reported<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "seen").await;
    let mut session = Session::of(&store, 1).await;
    let query = Query::new(field("branchId").eq("kigali-1"));
    let [ours, theirs, never] = ["ours", "theirs", "never"].map(text_id);
    for (id, branch) in [(&ours, "kigali-1"), (&theirs, "kigali-2")] {
        let document = Action::Insert(stock(id, branch, 1));
        session.apply(fixture.stock(), id, document).await;
    }
    let observation = store.observe(fixture.stock(), &query, None).await;
    let mut observation = observation.expect("a query can be observed");
    let ids = [theirs.clone(), ours.clone(), never];
    let writes = [
        None,
        Some(set("note", "seen")),
        Some(increment(2)),
        Some(set("branchId", "kigali-2")),
        Some(set("branchId", "kigali-1")),
        Some(Action::Delete),
    ];
    for action in writes {
        if let Some(action) = action {
            session.apply(fixture.stock(), &ours, action).await;
        }
        let document = fetch(&store, fixture.stock(), &ours).await;
        let matching = document.as_ref().filter(|document| query.matches(document));
        let hash = fixture.stock().hash_of(matching);
        let hash = hash.expect("documents of the suite fit their model");
        loop {
            let seen = observation.seen(&ids);
            assert_eq!(seen.len(), ids.len(), "an answer for each");
            assert_eq!(
                (seen[0], seen[2]),
                (None, None),
                "what does not match is not seen"
            );
            if seen[1].is_none() || seen[1] == hash {
                break;
            }
            // A change that was not looked at yet.
            next(&mut observation).await;
        }
    }
}

/// Changes between two calls are merged: what is reported is bounded by the documents, not by the writes.
pub async fn changes_are_coalesced<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "coalesce").await;
    let mut session = Session::of(&store, 1).await;
    let mut observation = observe_all(&store).await;
    let ids = ["a", "b", "last"].map(text_id);
    for id in &ids {
        session.apply(fixture.stock(), id, insert(id, 0)).await;
    }
    for _ in 0..50 {
        for id in &ids {
            session.apply(fixture.stock(), id, increment(1)).await;
        }
    }
    // Engines may report a few batches while the writes go on; they must not report each write.
    let mut seen = BTreeSet::new();
    let mut reported = 0;
    while seen.len() < ids.len() {
        let batch = next(&mut observation).await;
        reported += batch.changes.len();
        seen.extend(batch.changes.into_iter().map(|change| change.id));
    }
    assert!(
        reported < 100,
        "153 writes of 3 documents are not {reported} changes"
    );
}

/// An observation reports what matches its query, and what matches it no longer.
pub async fn only_matching_documents_are_observed<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "observe-query").await;
    let mut session = Session::of(&store, 1).await;
    let query = Query::new(field("branchId").eq("kigali-1"));
    let mut observation = store
        .observe(fixture.stock(), &query, None)
        .await
        .expect("a query can be observed");
    let (ours, theirs, last) = (text_id("ours"), text_id("theirs"), text_id("last"));
    session
        .apply(
            fixture.stock(),
            &theirs,
            Action::Insert(stock(&theirs, "kigali-2", 1)),
        )
        .await;
    session
        .apply(
            fixture.stock(),
            &ours,
            Action::Insert(stock(&ours, "kigali-1", 1)),
        )
        .await;
    let (_, seen, _) = wait_for_change(&mut observation, &ours).await;
    let upserted = |change: &&Change| change.id == theirs && change.kind == ChangeKind::Upserted;
    assert!(
        !seen.iter().any(|change| upserted(&change)),
        "what never matched is no document of this query"
    );

    session
        .apply(fixture.stock(), &ours, set("branchId", "kigali-2"))
        .await;
    session
        .apply(
            fixture.stock(),
            &last,
            Action::Insert(stock(&last, "kigali-1", 1)),
        )
        .await;
    // What matches no longer is reported, in any order with what begins to match.
    let mut awaited = BTreeSet::from([&ours, &last]);
    while !awaited.is_empty() {
        let batch = next(&mut observation).await;
        for change in &batch.changes {
            awaited.remove(&change.id);
            let gone = change.id != ours || change.kind != ChangeKind::Deleted;
            assert!(
                gone || !store.capabilities().cursor,
                "an engine that knows does not call a move a delete"
            );
        }
    }
}

/// Own writes are reported, though the document matches no more when the observation looks, or never did: the row behind the write may have to go.
pub async fn an_own_write_is_observed_whatever_became_of_the_document<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "own-write-gone").await;
    let mut session = Session::of(&store, 1).await;
    let query = Query::new(field("branchId").eq("kigali-1"));
    let mut observation = store
        .observe(fixture.stock(), &query, None)
        .await
        .expect("a query can be observed");
    let (moved, deleted, outside) = (text_id("moved"), text_id("deleted"), text_id("outside"));
    session.apply(fixture.stock(), &moved, insert(&moved, 1)).await;
    session
        .apply(fixture.stock(), &moved, set("branchId", "kigali-2"))
        .await;
    wait_for_change(&mut observation, &moved).await;
    session
        .apply(fixture.stock(), &deleted, insert(&deleted, 1))
        .await;
    session.apply(fixture.stock(), &deleted, Action::Delete).await;
    wait_for_change(&mut observation, &deleted).await;
    session
        .apply(
            fixture.stock(),
            &outside,
            Action::Insert(stock(&outside, "kigali-2", 1)),
        )
        .await;
    wait_for_change(&mut observation, &outside).await;
}

/// A seed over a deleted document shows nothing; that it was written is reported, so that the row it came from goes.
pub async fn a_seed_that_nobody_sees_is_observed<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "own-seed-gone").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 1)).await;
    session.apply(fixture.stock(), &id, Action::Delete).await;
    for query in [Query::all(), Query::new(field("branchId").eq("kigali-1"))] {
        let mut observation = store
            .observe(fixture.stock(), &query, None)
            .await
            .expect("a query can be observed");
        session
            .apply(fixture.stock(), &id, Action::Seed(stock(&id, "kigali-1", 7)))
            .await;
        assert_eq!(fetch(&store, fixture.stock(), &id).await, None);
        wait_for_change(&mut observation, &id).await;
    }
}

/// Several observations at once each see every change.
pub async fn several_observations_see_the_same_change<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "several").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut first = observe_all(&store).await;
    let mut second = observe_all(&store).await;
    session.apply(fixture.stock(), &id, insert(&id, 1)).await;
    wait_for_change(&mut first, &id).await;
    wait_for_change(&mut second, &id).await;
    session.apply(fixture.stock(), &id, increment(1)).await;
    wait_for_change(&mut second, &id).await;
    wait_for_change(&mut first, &id).await;
}

/// Dropping an observation, also while it waits, cancels it and disturbs no other.
pub async fn a_dropped_observation_disturbs_nobody<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "drop").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut kept = observe_all(&store).await;
    let mut dropped = observe_all(&store).await;
    drop(std::pin::pin!(dropped.next()).now_or_never());
    drop(dropped);
    session.apply(fixture.stock(), &id, insert(&id, 1)).await;
    wait_for_change(&mut kept, &id).await;
    drop(kept);
    session.apply(fixture.stock(), &id, increment(1)).await;
    let mut again = observe_all(&store).await;
    session.apply(fixture.stock(), &id, increment(1)).await;
    wait_for_change(&mut again, &id).await;
}

/// A wait that is cancelled, again and again, loses no change.
pub async fn a_cancelled_wait_loses_nothing<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "cancel").await;
    let mut session = Session::of(&store, 1).await;
    let mut observation = observe_all(&store).await;
    for at in 0..20 {
        let id = text_id(&format!("stock-{at}"));
        drop(std::pin::pin!(observation.next()).now_or_never());
        session.apply(fixture.stock(), &id, insert(&id, 1)).await;
        wait_impatiently(&mut observation, &id).await;
    }
}

/// With a cursor, everything since is reported first, each document at least once, and then what follows.
pub async fn an_observation_resumes_from_its_cursor<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "resume").await;
    if !store.capabilities().cursor {
        return;
    }
    let mut session = Session::of(&store, 1).await;
    let ids = ["before", "changed", "deleted", "added", "live"].map(text_id);
    let [before, changed, deleted, added, live] = &ids;
    let mut observation = observe_all(&store).await;
    for id in [before, changed, deleted] {
        session.apply(fixture.stock(), id, insert(id, 1)).await;
    }
    let (_, _, batch) = wait_for_change(&mut observation, deleted).await;
    let cursor = batch
        .cursor
        .expect("a store with cursors gives one with each batch");
    drop(observation);
    session.apply(fixture.stock(), changed, increment(1)).await;
    session.apply(fixture.stock(), deleted, Action::Delete).await;
    session.apply(fixture.stock(), added, insert(added, 1)).await;

    let resumed = store.observe(fixture.stock(), &Query::all(), Some(&cursor)).await;
    let mut resumed = resumed.expect("a store with cursors resumes");
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        seen.extend(
            next(&mut resumed)
                .await
                .changes
                .into_iter()
                .map(|change| change.id),
        );
    }
    assert_eq!(
        seen,
        [changed, deleted, added].map(Clone::clone).into(),
        "what changed since, and nothing else"
    );
    session.apply(fixture.stock(), live, insert(live, 1)).await;
    wait_for_change(&mut resumed, live).await;
}

/// A cursor outlives a restart of the store.
pub async fn an_observation_resumes_after_a_restart<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "resume-restart").await;
    if !store.capabilities().cursor {
        return;
    }
    let (before, after) = (text_id("before"), text_id("after"));
    let cursor = {
        let mut session = Session::of(&store, 1).await;
        let mut observation = observe_all(&store).await;
        session.apply(fixture.stock(), &before, insert(&before, 1)).await;
        let (_, _, batch) = wait_for_change(&mut observation, &before).await;
        session.apply(fixture.stock(), &after, insert(&after, 1)).await;
        batch
            .cursor
            .expect("a store with cursors gives one with each batch")
    };
    let store = fixture.reopen("resume-restart", store).await;
    let resumed = store.observe(fixture.stock(), &Query::all(), Some(&cursor)).await;
    let mut resumed = resumed.expect("the cursor is still known");
    wait_for_change(&mut resumed, &after).await;
}

/// A cursor of another store is refused, so that nothing is skipped in silence.
pub async fn the_cursor_of_another_store_is_lost<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "cursor-of-one").await;
    let other = open(fixture, "cursor-of-other").await;
    if !store.capabilities().cursor {
        return;
    }
    let scanned = store
        .scan(fixture.stock(), &Query::all())
        .await
        .expect("a collection can be scanned");
    let cursor = scanned
        .cursor
        .expect("a store with cursors gives one with each scan");
    let resumed = other.observe(fixture.stock(), &Query::all(), Some(&cursor)).await;
    assert!(
        matches!(resumed, Err(StoreError::CursorLost)),
        "a cursor belongs to one store"
    );
}

/// A scan and an observation from its cursor together miss nothing.
pub async fn a_scan_and_its_cursor_are_of_one_moment<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "scan-cursor").await;
    if !store.capabilities().cursor {
        return;
    }
    let mut session = Session::of(&store, 1).await;
    let ids: Vec<_> = (0..10).map(|at| text_id(&format!("stock-{at}"))).collect();
    let inserts = ids
        .iter()
        .map(|id| operation(fixture.stock(), id, Expect::Absent, insert(id, 1)));
    assert_eq!(session.write(inserts.collect()).await, WriteOutcome::Applied);
    let scanned = store
        .scan(fixture.stock(), &Query::all())
        .await
        .expect("a collection can be scanned");
    assert_eq!(scanned.ids.len(), ids.len());
    let late = text_id("late");
    session.apply(fixture.stock(), &late, insert(&late, 1)).await;
    let resumed = store
        .observe(fixture.stock(), &Query::all(), scanned.cursor.as_ref())
        .await;
    let mut resumed = resumed.expect("a store with cursors resumes");
    let (_, seen, _) = wait_for_change(&mut resumed, &late).await;
    assert!(
        seen.iter().all(|change| change.id == late),
        "what the scan named is not reported again"
    );
    assert_eq!(scan(&store, fixture.stock(), &Query::all()).await.len(), 11);
}

async fn observe_all<S: DocumentStore>(store: &S) -> S::Observation {
    let observation = store.observe(&STOCK, &Query::all(), None).await;
    observation.expect("a collection can be observed")
}
