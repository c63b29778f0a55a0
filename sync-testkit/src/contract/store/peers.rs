//! Cases: two stores that exchange. They check nothing where a fixture has no peers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ditto_sync_core::{
    id::DocumentId,
    intent::{Action, BatchId},
    query::{Query, field as query_field},
    store::{DocumentStore, WriteOutcome},
    value::Value,
};

use super::{
    StoreFixture,
    session::{
        Session, expect, fetch, field, increment, insert, next, operation, scan, set, stock, text_id,
        wait_for_change,
    },
};

/// What one store writes reaches the other, and is reported there.
pub async fn writes_of_a_peer_arrive_and_are_observed<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "arrive").await else {
        return;
    };
    let id = text_id("s1");
    let observed = pair.other.observe(fixture.stock(), &Query::all(), None).await;
    let mut observation = observed.expect("a collection can be observed");
    for action in [insert(&id, 10), increment(-3), Action::Delete] {
        let mut session = Session::of(&pair.one, 1).await;
        session.apply(fixture.stock(), &id, action).await;
        pair.settle().await;
        wait_for_change(&mut observation, &id).await;
        assert_eq!(
            fetch(&pair.other, fixture.stock(), &id).await,
            fetch(&pair.one, fixture.stock(), &id).await
        );
    }
    assert_eq!(
        fetch(&pair.other, fixture.stock(), &id).await,
        None,
        "deletes arrive too"
    );
}

/// A document that a peer lets match for a while is reported though it matches no more: a fetch or a scan in between may have met it.
pub async fn a_document_of_a_peer_that_matched_for_a_while_is_observed<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "for-a-while").await else {
        return;
    };
    let query = Query::new(query_field("branchId").eq("kigali-1"));
    let (moved, deleted) = (text_id("moved"), text_id("deleted"));
    let mut session = Session::of(&pair.one, 1).await;
    session
        .apply(
            fixture.stock(),
            &moved,
            Action::Insert(stock(&moved, "kigali-2", 1)),
        )
        .await;
    pair.settle().await;
    let observed = pair.other.observe(fixture.stock(), &query, None).await;
    let mut observation = observed.expect("a query can be observed");
    session
        .apply(fixture.stock(), &moved, set("branchId", "kigali-1"))
        .await;
    session
        .apply(fixture.stock(), &deleted, insert(&deleted, 1))
        .await;
    pair.settle().await;
    assert_eq!(
        scan(&pair.other, fixture.stock(), &query).await.len(),
        2,
        "both match now"
    );
    session
        .apply(fixture.stock(), &moved, set("branchId", "kigali-2"))
        .await;
    session.apply(fixture.stock(), &deleted, Action::Delete).await;
    pair.settle().await;
    // One after the other, because they may come in one batch.
    let mut missing = BTreeSet::from([moved, deleted]);
    while !missing.is_empty() {
        for change in next(&mut observation).await.changes {
            missing.remove(&change.id);
        }
    }
    assert_eq!(scan(&pair.other, fixture.stock(), &query).await.len(), 0);
}

/// Edits of different fields do not meet.
pub async fn concurrent_edits_of_different_fields_both_survive<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "fields").await else {
        return;
    };
    let id = pair.shared("s1").await;
    pair.apart(&id, set("note", "from one"), set("branchId", "from other"))
        .await;
    let document = pair.agreed(&id).await.expect("nobody deleted it");
    assert_eq!(document.get("note"), Some(&"from one".into()));
    assert_eq!(document.get("branchId"), Some(&"from other".into()));
}

/// Edits of one field end alike on both: one of the two.
pub async fn concurrent_edits_of_one_field_end_alike<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "field").await else {
        return;
    };
    let id = pair.shared("s1").await;
    pair.apart(&id, set("note", "from one"), set("note", "from other"))
        .await;
    let document = pair.agreed(&id).await.expect("nobody deleted it");
    let note = document.get("note");
    assert!(
        note == Some(&"from one".into()) || note == Some(&"from other".into()),
        "found {note:?}"
    );
}

/// Increments of both count.
pub async fn concurrent_increments_add_up<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "counter").await else {
        return;
    };
    let id = pair.shared("s1").await;
    for round in 1..=3 {
        pair.apart(&id, increment(-2), increment(5)).await;
        let document = pair.agreed(&id).await.expect("nobody deleted it");
        assert_eq!(
            document.get("quantity"),
            Some(&Value::Int(10 + 3 * round)),
            "round {round}"
        );
    }
}

/// A delete wins over an edit that did not know of it, whoever comes first; what the edit leaves behind is absent.
pub async fn a_delete_wins_over_a_concurrent_edit<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "delete").await else {
        return;
    };
    for (name, edit) in [("set", set("note", "edited")), ("counted", increment(3))] {
        let first = pair.shared(&format!("{name}-first")).await;
        let last = pair.shared(&format!("{name}-last")).await;
        pair.disconnect().await;
        let (mut one, mut other) = (Session::of(&pair.one, 1).await, Session::of(&pair.other, 2).await);
        one.apply(fixture.stock(), &first, Action::Delete).await;
        other.apply(fixture.stock(), &first, edit.clone()).await;
        other.apply(fixture.stock(), &last, edit).await;
        one.apply(fixture.stock(), &last, Action::Delete).await;
        pair.connect().await;
        for id in [&first, &last] {
            assert_eq!(pair.agreed(id).await, None, "the delete wins");
            for store in [&pair.one, &pair.other] {
                assert!(
                    !scan(store, fixture.stock(), &Query::all()).await.contains(id),
                    "in scans too"
                );
            }
            // The husk, where there is one, counts as absent.
            let mut session = Session::of(&pair.other, 2).await;
            session.apply(fixture.stock(), id, insert(id, 1)).await;
            pair.settle().await;
            let document = pair.agreed(id).await.expect("inserted again");
            assert_eq!(document.get("quantity"), Some(&Value::Int(1)), "a new document");
        }
    }
}

/// A document that was deleted and inserted again is the new one on both, counters and all.
pub async fn a_document_inserted_again_is_a_new_one_everywhere<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "again").await else {
        return;
    };
    let id = pair.shared("s1").await;
    pair.apart(&id, increment(4), increment(5)).await;
    assert!(pair.agreed(&id).await.is_some());
    let mut one = Session::of(&pair.one, 1).await;
    one.apply(fixture.stock(), &id, Action::Delete).await;
    let again = stock(&id, "kigali-9", 100);
    one.apply(fixture.stock(), &id, Action::Insert(again.clone()))
        .await;
    pair.settle().await;
    assert_eq!(
        pair.agreed(&id).await,
        Some(again),
        "nothing of before shows through"
    );
    pair.apart(&id, increment(1), increment(2)).await;
    let document = pair.agreed(&id).await.expect("nobody deleted it");
    assert_eq!(
        document.get("quantity"),
        Some(&Value::Int(103)),
        "counts in the new epoch"
    );
}

/// Two clones of one database seed the same document: its counter is one, and the changes of both count once.
pub async fn seeds_of_clones_share_their_counters<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "clones").await else {
        return;
    };
    let id = text_id("s1");
    let seed = || Action::Seed(stock(&id, "kigali-1", 5));
    pair.disconnect().await;
    let (mut one, mut other) = (Session::of(&pair.one, 1).await, Session::of(&pair.other, 2).await);
    one.apply(fixture.stock(), &id, seed()).await;
    other.apply(fixture.stock(), &id, seed()).await;
    one.apply(fixture.stock(), &id, increment(-1)).await;
    other.apply(fixture.stock(), &id, increment(-2)).await;
    pair.connect().await;
    let document = pair.agreed(&id).await.expect("it was seeded");
    assert_eq!(document.get("quantity"), Some(&Value::Int(2)), "5 - 1 - 2");
}

/// A seed is older than every write, also than one made before it.
pub async fn a_seed_loses_to_an_older_write_of_a_peer<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "seed").await else {
        return;
    };
    let id = text_id("s1");
    pair.disconnect().await;
    let mut one = Session::of(&pair.one, 1).await;
    one.apply(fixture.stock(), &id, Action::Insert(stock(&id, "written", 40)))
        .await;
    one.apply(fixture.stock(), &id, increment(2)).await;
    let mut other = Session::of(&pair.other, 2).await;
    for busy in 0..20 {
        let busy = text_id(&format!("busy-{busy}"));
        other.apply(fixture.stock(), &busy, insert(&busy, 1)).await;
    }
    other
        .apply(fixture.stock(), &id, Action::Seed(stock(&id, "seeded", 7)))
        .await;
    pair.connect().await;
    let document = pair.agreed(&id).await.expect("it was written");
    assert_eq!(document.get("branchId"), Some(&"written".into()));
    assert_eq!(document.get("quantity"), Some(&Value::Int(42)));
}

/// A write that was computed before a peer's change arrived is refused.
pub async fn a_write_computed_before_a_merge_is_stale<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "merge").await else {
        return;
    };
    let id = pair.shared("s1").await;
    let before = fetch(&pair.other, fixture.stock(), &id).await;
    let mut one = Session::of(&pair.one, 1).await;
    one.apply(fixture.stock(), &id, set("note", "from one")).await;
    pair.settle().await;
    let mut other = Session::of(&pair.other, 2).await;
    let late = operation(
        fixture.stock(),
        &id,
        expect(fixture.stock(), before.as_ref()),
        set("note", "from other"),
    );
    let outcome = other.write(vec![late]).await;
    assert!(
        matches!(outcome, WriteOutcome::Stale(ids) if ids.len() == 1),
        "the document has changed"
    );
    assert_eq!(
        field(&pair.other, &id, "note").await,
        Some("from one".into()),
        "the peer's value stays"
    );
}

/// Where an engine has frontiers: a store covers another's once it holds all that stood behind it, and not before.
pub async fn a_frontier_is_covered_once_it_has_arrived<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "frontier").await else {
        return;
    };
    if !pair.one.capabilities().frontier {
        return;
    }
    pair.disconnect().await;
    let mut one = Session::of(&pair.one, 1).await;
    let id = text_id("s1");
    one.apply(fixture.stock(), &id, insert(&id, 1)).await;
    let identity = pair
        .one
        .identity(one.replica())
        .await
        .expect("identity can be read");
    let frontier = identity.frontier.expect("a store with frontiers has one");
    let covers = async |store: &F::Store| store.covers(&frontier).await.expect("frontiers can be compared");
    assert_eq!(
        covers(&pair.one).await,
        Some(true),
        "a store covers its own frontier"
    );
    assert_eq!(covers(&pair.other).await, Some(false), "nothing has arrived");
    pair.connect().await;
    pair.settle().await;
    assert_eq!(covers(&pair.other).await, Some(true), "all has arrived");
    one.apply(fixture.stock(), &id, increment(1)).await;
    assert_eq!(covers(&pair.one).await, Some(true), "more covers less");
}

/// Where an engine can tell: a batch is confirmed once a peer holds it, and not before.
pub async fn a_batch_is_confirmed_once_a_peer_holds_it<F: StoreFixture>(fixture: &F) {
    let Some(pair) = Pair::open(fixture, "confirmed").await else {
        return;
    };
    pair.disconnect().await;
    let mut one = Session::of(&pair.one, 1).await;
    let id = text_id("s1");
    one.apply(fixture.stock(), &id, insert(&id, 1)).await;
    let identity = pair.one.identity(one.replica()).await;
    let batch = BatchId {
        replica: one.replica(),
        sequence: identity
            .expect("identity can be read")
            .last_applied
            .expect("it has been applied"),
    };
    let confirmed = async || pair.one.confirmed(batch).await.expect("it can be asked");
    let Some(before) = confirmed().await else { return };
    assert!(!before, "nobody else has it");
    pair.connect().await;
    pair.settle().await;
    let deadline = Instant::now() + CONFIRMATION_TIME;
    while confirmed().await != Some(true) {
        assert!(Instant::now() < deadline, "the peer holds it and has not said so");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How long a peer may take to say that it holds something.
const CONFIRMATION_TIME: Duration = Duration::from_secs(60);

/// Two stores of a case.
struct Pair<'a, F: StoreFixture> {
    fixture: &'a F,
    one: F::Store,
    other: F::Store,
}

impl<'a, F: StoreFixture> Pair<'a, F> {
    async fn open(fixture: &'a F, case: &str) -> Option<Self> {
        if !fixture.has_peers() {
            return None;
        }
        let one = fixture.open(&format!("{case}-one")).await;
        let other = fixture.open(&format!("{case}-other")).await;
        fixture.connect(&one, &other).await;
        Some(Self { fixture, one, other })
    }

    async fn connect(&self) {
        self.fixture.connect(&self.one, &self.other).await;
    }

    async fn disconnect(&self) {
        self.fixture.disconnect(&self.one, &self.other).await;
    }

    async fn settle(&self) {
        self.fixture.settle(&self.one, &self.other).await;
    }

    /// A stock of 10 that both hold.
    async fn shared(&self, id: &str) -> DocumentId {
        let id = text_id(id);
        let mut session = Session::of(&self.one, 1).await;
        session.apply(self.fixture.stock(), &id, insert(&id, 10)).await;
        self.settle().await;
        assert!(
            fetch(&self.other, self.fixture.stock(), &id).await.is_some(),
            "an insert reaches the peer"
        );
        id
    }

    /// Each does its part without the other, then they meet again.
    async fn apart(&self, id: &DocumentId, of_one: Action, of_other: Action) {
        self.disconnect().await;
        Session::of(&self.one, 1)
            .await
            .apply(self.fixture.stock(), id, of_one)
            .await;
        Session::of(&self.other, 2)
            .await
            .apply(self.fixture.stock(), id, of_other)
            .await;
        self.connect().await;
        self.settle().await;
    }

    /// What both hold.
    async fn agreed(&self, id: &DocumentId) -> Option<ditto_sync_core::document::Document> {
        self.settle().await;
        let document = fetch(&self.one, self.fixture.stock(), id).await;
        assert_eq!(
            fetch(&self.other, self.fixture.stock(), id).await,
            document,
            "both hold the same"
        );
        document
    }
}
