//! Faults that a test asks for, and notifications that go wrong.

use ditto_sync_core::{
    document::Document,
    intent::Action,
    query::Query,
    store::{ChangeBatch, DocumentStore, Observation, StoreError},
};
use ditto_sync_testkit::{Fault, Flavor, MemoryConfig, MemoryHub, MemoryStore, StoreCall, models::STOCK};
use futures_util::FutureExt;

use super::{increment, stock, stock_id, write_stock};

fn store(flavor: Flavor) -> MemoryStore {
    MemoryHub::new(MemoryConfig::new(flavor)).store("till-1")
}

async fn quantity(store: &MemoryStore) -> Option<i64> {
    let document = store.documents(&STOCK).pop()?.1;
    match document.get("quantity") {
        Some(ditto_sync_core::value::Value::Int(quantity)) => Some(*quantity),
        other => panic!("a counter is an integer, found {other:?}"),
    }
}

#[tokio::test]
async fn scripted_faults_hit_the_next_calls_only() {
    let store = store(Flavor::Mesh);
    store.fail_next(2, Fault::Unavailable);
    let ids = [stock_id("s1")];
    for _ in 0..2 {
        assert!(matches!(
            store.fetch(&STOCK, &ids).await,
            Err(StoreError::Unavailable { .. })
        ));
    }
    assert!(store.fetch(&STOCK, &ids).await.is_ok());
    store.fail_next(1, Fault::Failed);
    assert!(matches!(
        store.scan(&STOCK, &Query::all()).await,
        Err(StoreError::Failed { .. })
    ));
}

#[tokio::test]
async fn an_unknown_outcome_was_applied_and_can_be_repeated() {
    let store = store(Flavor::Ditto);
    write_stock(&store, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    store.set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::UnknownOutcome));
    assert!(write_stock(&store, "s1", increment(1)).await.is_err());
    assert_eq!(
        quantity(&store).await,
        Some(11),
        "applied, though the caller cannot know"
    );
    store.clear_faults();
    write_stock(&store, "s1", increment(1)).await.unwrap();
    assert_eq!(quantity(&store).await, Some(12));
}

#[tokio::test]
async fn a_rejected_id_is_named_until_it_is_accepted() {
    let store = store(Flavor::Mesh);
    store.reject_id(&STOCK, stock_id("poison"), "a test says so");
    let refused = write_stock(&store, "poison", Action::Insert(stock("poison", 1))).await;
    let Err(StoreError::Rejected(rejections)) = refused else {
        panic!("it must be rejected");
    };
    assert_eq!(
        (&rejections[0].id, rejections[0].reason.as_str()),
        (&stock_id("poison"), "a test says so")
    );
    write_stock(&store, "fine", Action::Insert(stock("fine", 1)))
        .await
        .unwrap();
    store.accept_id(&STOCK, stock_id("poison"));
    write_stock(&store, "poison", Action::Insert(stock("poison", 1)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_document_over_the_limit_is_rejected_also_when_a_patch_makes_it_so() {
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto).with_document_bytes_max(1000));
    let store = hub.store("till-1");
    let with_note = |bytes: usize| -> Document {
        let mut document = stock("s1", 1);
        document.set("note", "x".repeat(bytes));
        document
    };
    let refused = write_stock(&store, "s1", Action::Insert(with_note(1000))).await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))));
    write_stock(&store, "s1", Action::Insert(with_note(800)))
        .await
        .unwrap();
    let set = vec![("product".into(), "y".repeat(300).into())];
    let refused = write_stock(
        &store,
        "s1",
        Action::Patch {
            set,
            increments: Vec::new(),
        },
    )
    .await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))));
}

async fn next_now<O: Observation>(observation: &mut O) -> Option<ChangeBatch> {
    observation.next().now_or_never().map(Result::unwrap)
}

#[tokio::test]
async fn a_dropped_notification_is_never_reported_by_the_ditto_flavor() {
    let store = store(Flavor::Ditto);
    let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
    store.drop_notifications(true);
    write_stock(&store, "missed", Action::Insert(stock("missed", 1)))
        .await
        .unwrap();
    store.drop_notifications(false);
    assert!(next_now(&mut observation).await.is_none());
    write_stock(&store, "seen", Action::Insert(stock("seen", 1)))
        .await
        .unwrap();
    let batch = next_now(&mut observation).await.unwrap();
    let ids: Vec<_> = batch.changes.into_iter().map(|change| change.id).collect();
    assert_eq!(ids, [stock_id("seen")]);
}

#[tokio::test]
async fn a_dropped_notification_is_made_up_for_by_the_mesh_flavor() {
    let store = store(Flavor::Mesh);
    let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
    store.drop_notifications(true);
    write_stock(&store, "missed", Action::Insert(stock("missed", 1)))
        .await
        .unwrap();
    assert!(next_now(&mut observation).await.is_none());
    store.drop_notifications(false);
    let batch = next_now(&mut observation).await.unwrap();
    assert_eq!(
        batch.changes[0].id,
        stock_id("missed"),
        "its cursor moves past the change, so it is reported"
    );
}

#[tokio::test]
async fn observations_repeat_break_and_ask_for_a_scan_when_told() {
    let store = store(Flavor::Mesh);
    write_stock(&store, "s1", Action::Insert(stock("s1", 1)))
        .await
        .unwrap();
    let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
    assert!(next_now(&mut observation).await.is_none());
    store.spurious_notification();
    assert_eq!(
        next_now(&mut observation).await.unwrap().changes[0].id,
        stock_id("s1")
    );
    store.request_rescan();
    assert!(next_now(&mut observation).await.unwrap().rescan);
    store.break_observations();
    assert!(matches!(
        observation.next().now_or_never(),
        Some(Err(StoreError::Unavailable { .. }))
    ));
    assert!(next_now(&mut observation).await.is_none(), "each happens once");
}
