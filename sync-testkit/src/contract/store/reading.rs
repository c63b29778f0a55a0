//! Cases: `fetch`, `scan` and `evict`.

use std::collections::BTreeSet;

use ditto_sync_core::{
    intent::{Action, Expect},
    query::{Query, field, param},
    store::{DocumentStore, StoreError, WriteOutcome},
    value::Value,
};

use super::{
    StoreFixture,
    session::{Session, fetch, insert, open, operation, scan, set, stock, text_id},
};

/// One answer for each id, in the order asked, also for the absent and the repeated.
pub async fn fetch_answers_in_the_order_asked<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "fetch").await;
    let mut session = Session::of(&store, 1).await;
    let (one, two, absent) = (text_id("one"), text_id("two"), text_id("absent"));
    session.apply(fixture.stock(), &one, insert(&one, 1)).await;
    session.apply(fixture.stock(), &two, insert(&two, 2)).await;
    let asked = [&two, &absent, &one, &two].map(Clone::clone);
    let documents = store
        .fetch(fixture.stock(), &asked)
        .await
        .expect("documents can be fetched");
    let quantities: Vec<_> = documents
        .iter()
        .map(|document| {
            document
                .as_ref()
                .and_then(|document| document.get("quantity"))
                .cloned()
        })
        .collect();
    let wanted = [Some(2_i64), None, Some(1), Some(2)].map(|quantity| quantity.map(Value::Int));
    assert_eq!(quantities, wanted);
    let none = store
        .fetch(fixture.stock(), &[])
        .await
        .expect("documents can be fetched");
    assert!(none.is_empty(), "no ids, no documents");
}

/// A scan names every document: many, none missing, no deleted one, none of another collection.
pub async fn a_scan_is_complete<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "scan").await;
    let mut session = Session::of(&store, 1).await;
    assert!(
        scan(&store, fixture.stock(), &Query::all()).await.is_empty(),
        "an empty store has no documents"
    );
    let mut ids: BTreeSet<_> = (0..2500).map(|at| text_id(&format!("stock-{at}"))).collect();
    let max = store.capabilities().intent_operations_max.min(1000);
    let all: Vec<_> = ids.iter().cloned().collect();
    for ids in all.chunks(max) {
        let operations = ids
            .iter()
            .map(|id| operation(fixture.stock(), id, Expect::Absent, insert(id, 1)));
        assert_eq!(session.write(operations.collect()).await, WriteOutcome::Applied);
    }
    let gone = text_id("stock-77");
    session.apply(fixture.stock(), &gone, Action::Delete).await;
    ids.remove(&gone);
    assert_eq!(scan(&store, fixture.stock(), &Query::all()).await, ids);
    assert!(
        scan(&store, &crate::models::ORDER_LINE, &Query::all())
            .await
            .is_empty()
    );
}

/// A scan names what matches its query now, by the semantics of [`Query`].
pub async fn a_scan_honours_its_query<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "scan-query").await;
    let mut session = Session::of(&store, 1).await;
    for (id, branch, quantity) in [("a", "kigali-1", 1), ("b", "kigali-2", 2), ("c", "kigali-1", 3)] {
        let id = text_id(id);
        session
            .apply(fixture.stock(), &id, Action::Insert(stock(&id, branch, quantity)))
            .await;
    }
    let of_branch = |branch: &str| Query::new(field("branchId").eq(param("branch"))).with("branch", branch);
    let ids = |ids: &[&str]| ids.iter().map(|id| text_id(id)).collect::<BTreeSet<_>>();
    assert_eq!(
        scan(&store, fixture.stock(), &of_branch("kigali-1")).await,
        ids(&["a", "c"])
    );
    assert_eq!(
        scan(&store, fixture.stock(), &of_branch("kigali-3")).await,
        ids(&[])
    );
    let many = Query::new(field("quantity").ge(2_i64));
    assert_eq!(
        scan(&store, fixture.stock(), &many).await,
        ids(&["b", "c"]),
        "counters compare like integers"
    );
    session
        .apply(fixture.stock(), &text_id("a"), set("branchId", "kigali-2"))
        .await;
    assert_eq!(
        scan(&store, fixture.stock(), &of_branch("kigali-1")).await,
        ids(&["c"]),
        "it moved"
    );
}

/// What was written is there after a restart, and goes on from there.
pub async fn documents_survive_a_restart<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "restart").await;
    let (kept, gone) = (text_id("kept"), text_id("gone"));
    {
        let mut session = Session::of(&store, 1).await;
        session.apply(fixture.stock(), &kept, insert(&kept, 10)).await;
        session
            .apply(fixture.stock(), &kept, super::session::increment(5))
            .await;
        session.apply(fixture.stock(), &gone, insert(&gone, 1)).await;
        session.apply(fixture.stock(), &gone, Action::Delete).await;
    }
    let before = fetch(&store, fixture.stock(), &kept).await;
    let store = fixture.reopen("restart", store).await;
    assert_eq!(
        fetch(&store, fixture.stock(), &kept).await,
        before,
        "documents are durable"
    );
    assert_eq!(
        fetch(&store, fixture.stock(), &gone).await,
        None,
        "deletes are durable"
    );
    let mut session = Session::of(&store, 1).await;
    session
        .apply(fixture.stock(), &kept, super::session::increment(1))
        .await;
    let quantity = super::session::field(&store, &kept, "quantity").await;
    assert_eq!(quantity, Some(Value::Int(16)), "counts on");
}

/// An evicted document is gone from this store; a store that cannot evict says so.
pub async fn an_evicted_document_is_gone_here<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "evict").await;
    let mut session = Session::of(&store, 1).await;
    let (gone, kept) = (text_id("gone"), text_id("kept"));
    session.apply(fixture.stock(), &gone, insert(&gone, 1)).await;
    session.apply(fixture.stock(), &kept, insert(&kept, 1)).await;
    let evicted = store.evict(fixture.stock(), std::slice::from_ref(&gone)).await;
    if store.capabilities().evict {
        evicted.expect("a store that can evict does");
        assert_eq!(fetch(&store, fixture.stock(), &gone).await, None, "evicted");
        assert!(
            fetch(&store, fixture.stock(), &kept).await.is_some(),
            "the rest stays"
        );
    } else {
        assert!(
            matches!(evicted, Err(StoreError::Unsupported(_))),
            "a store that cannot evict says so"
        );
        assert!(
            fetch(&store, fixture.stock(), &gone).await.is_some(),
            "and does nothing"
        );
    }
}
