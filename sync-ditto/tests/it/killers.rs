//! What ends the process or blocks the engine for good when it is used directly, and cannot be reached through the store. A process that ends fails
//! all tests of this binary.

use std::time::Duration;

use ditto_sync_core::{
    descriptor::{FieldDescriptor, ModelDescriptor},
    document::Document,
    intent::{Action, Expect},
    query::{Query, field},
    store::{DocumentStore, StoreError, WriteOutcome},
    value::Value,
};
use ditto_sync_ditto::{DittoStore, sdk::Ditto};
use ditto_sync_testkit::models::{ANYTHING, STOCK};
use futures_util::FutureExt;

use super::{
    fixture::{Bare, config, open, open_new},
    session::{DEADLINE, insert, intent, operation, patch, quantity, text_id, wait_for, write},
};

/// Dropping a transaction while the engine works on it ends the process; dropping it between two calls blocks all writes for good.
#[tokio::test]
async fn calls_that_are_dropped_at_any_time_disturb_nobody() {
    let (_directory, store) = open_new().await;
    let mut sequence = 0;
    for round in 0..200_u32 {
        let operations = (0..20).map(|at| insert(&text_id(&format!("{round}-{at}")), 1));
        sequence += 1;
        let intent = intent(sequence, operations.collect());
        // From not at all to all the way through.
        let patience = Duration::from_micros(u64::from(round) * 20);
        // Given up or not: both are what is tested.
        let _ = tokio::time::timeout(patience, store.write(&intent)).await;
        let ids = [text_id(&format!("{round}-0"))];
        let _ = tokio::time::timeout(patience, store.fetch(&STOCK, &ids)).await;
        let _ = tokio::time::timeout(patience, store.scan(&STOCK, &Query::all())).await;
        let _ = tokio::time::timeout(patience, store.observe(&STOCK, &Query::all(), None)).await;
        let _ = tokio::time::timeout(patience, store.evict(&ANYTHING, &ids)).await;
        let _ = tokio::time::timeout(patience, store.identity(intent.batch.replica)).await;
    }
    // A write that was given up may still be made, once.
    for round in [0_u64, 100, 199] {
        let again = (0..20).map(|at| insert(&text_id(&format!("{round}-{at}")), 1));
        let again = store.write(&intent(round + 1, again.collect())).await;
        assert_eq!(again.expect("a valid intent is answered"), WriteOutcome::Applied);
    }
    write(&store, sequence + 1, vec![insert(&text_id("after"), 1)]).await;
}

/// Dropping the runtime drops what runs on it.
#[test]
fn a_runtime_dropped_in_the_middle_of_writes_disturbs_nobody() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime starts");
    let doomed = runtime();
    let store = doomed.block_on(open(directory.path()));
    for writer in 0..8_u64 {
        let store = store.clone();
        doomed.spawn(async move {
            for at in 0.. {
                let id = text_id(&format!("{writer}-{at}"));
                let mut intent = intent(at + 1, vec![insert(&id, 1)]);
                intent.batch.replica = ditto_sync_core::intent::ReplicaId::from_bytes([8 + writer as u8; 16]);
                store.write(&intent).await.expect("a valid intent is answered");
            }
        });
    }
    let (watching, began) = std::sync::mpsc::channel();
    let observed = store.clone();
    doomed.spawn(async move {
        let mut observation = observed
            .observe(&STOCK, &Query::all(), None)
            .await
            .expect("it begins");
        wait_for(&mut observation, &text_id("0-5")).await;
        watching.send(()).expect("the test waits");
        std::future::pending::<()>().await;
    });
    began.recv_timeout(DEADLINE).expect("writes are under way");
    doomed.shutdown_background();
    runtime().block_on(async {
        write(&store, 1, vec![insert(&text_id("after"), 1)]).await;
        store.close().await;
    });
}

/// A transaction begun within another waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_concurrent_calls_and_of_stores_on_one_engine_all_end() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let ditto = std::sync::Arc::new(Ditto::open(config(directory.path())).await.expect("it opens"));
    let one = DittoStore::new(ditto.clone()).await.expect("the store opens");
    let other = DittoStore::new(ditto).await.expect("a second store opens");
    let mut tasks = Vec::new();
    for at in 0..64_u64 {
        let store = if at % 2 == 0 { one.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            let id = text_id(&format!("s{at}"));
            let mut intent = intent(1, vec![insert(&id, 1)]);
            intent.batch.replica = ditto_sync_core::intent::ReplicaId::from_bytes([at as u8; 16]);
            store.write(&intent).await.expect("a valid intent is answered");
            store
                .evict(&ANYTHING, std::slice::from_ref(&id))
                .await
                .expect("it evicts");
            store
                .identity(intent.batch.replica)
                .await
                .expect("it can be told");
        }));
    }
    let all = futures_util::future::join_all(tasks);
    let ended = tokio::time::timeout(DEADLINE, all)
        .await
        .expect("nobody waits for ever");
    for task in ended {
        task.expect("no call panics");
    }
    let scan = one.scan(&STOCK, &Query::all()).await.expect("it scans");
    assert_eq!(scan.ids.len(), 64);
    assert_eq!(
        one.identity(intent(1, vec![]).batch.replica)
            .await
            .expect("it is told")
            .store,
        other
            .identity(intent(1, vec![]).batch.replica)
            .await
            .expect("it is told")
            .store,
        "one engine is one store"
    );
}

/// The engine ends the process at names of more than 255 bytes, and panics at a NUL.
#[tokio::test]
async fn names_that_end_the_process_are_refused() {
    static FIELDS: [FieldDescriptor; 0] = [];
    static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
    const LONG: &str = concat!(
        "0123456789012345678901234567890123456789012345678901234567890123",
        "0123456789012345678901234567890123456789012345678901234567890123",
        "0123456789012345678901234567890123456789012345678901234567890123",
        "0123456789012345678901234567890123456789012345678901234567890123"
    );
    static TOO_LONG: ModelDescriptor = ModelDescriptor::new("Long", LONG, "long", &ID, &FIELDS);
    static NUL: ModelDescriptor = ModelDescriptor::new("Nul", "a\0b", "nul", &ID, &FIELDS);
    static OWN: ModelDescriptor = ModelDescriptor::new("Own", "__own", "own", &ID, &FIELDS);

    let (_directory, store) = open_new().await;
    let id = text_id("a");
    for model in [&TOO_LONG, &NUL, &OWN] {
        let document = Document::from_iter([("id", id.to_value())]);
        let insert = operation(model, &id, Expect::Absent, Action::Insert(document));
        let written = store.write(&intent(1, vec![insert])).await;
        assert!(matches!(written, Err(StoreError::Rejected(_))), "{written:?}");
        assert!(store.fetch(model, std::slice::from_ref(&id)).await.is_err());
        assert!(store.scan(model, &Query::all()).await.is_err());
        assert!(store.evict(model, std::slice::from_ref(&id)).await.is_err());
        assert!(store.observe(model, &Query::all(), None).await.is_err());
    }
    let query = Query::new(field("a\0b").eq(1_i64));
    assert!(store.scan(&STOCK, &query).await.is_err());
    assert!(store.observe(&STOCK, &query, None).await.is_err());
    write(&store, 1, vec![insert(&id, 1)]).await;
    let operation = patch(&store, &id, &[("a\0b", Value::Null)], &[]).await;
    let written = store.write(&intent(2, vec![operation])).await;
    assert!(matches!(written, Err(StoreError::Rejected(_))), "{written:?}");
    let operation = patch(&store, &id, &[], &[("a\0b", 1)]).await;
    let written = store.write(&intent(2, vec![operation])).await;
    assert!(matches!(written, Err(StoreError::Rejected(_))), "{written:?}");
    assert_eq!(
        quantity(&store, &id).await,
        Some(Value::Int(1)),
        "the store goes on"
    );
}

/// A dropped observer goes on in the engine, and so does a subscription, unless they are cancelled.
#[tokio::test]
async fn a_dropped_observation_leaves_nothing_in_the_engine() {
    let (_directory, store) = open_new().await;
    let ditto = store.ditto().expect("the store is open");
    let all = Query::all();
    let begin = || store.observe(&STOCK, &all, None);
    let mut observation = begin().await.expect("it begins");
    assert_eq!(ditto.sync().subscriptions().len(), 1);
    assert_eq!(ditto.store().observers().keys.len(), 1);
    // Also one that is waiting.
    assert!(
        ditto_sync_core::store::Observation::next(&mut observation)
            .now_or_never()
            .is_none()
    );
    drop(observation);
    drop(begin().now_or_never());
    store
        .identity(intent(1, vec![]).batch.replica)
        .await
        .expect("it is told");
    let gone = async {
        while ditto.sync().subscriptions().len() + ditto.store().observers().keys.len() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone)
        .await
        .expect("both are cancelled");
}

/// A panic in an observer's callback ends the process: nothing of a document may cause one.
#[tokio::test]
async fn documents_of_other_programs_end_no_observation() {
    let (_directory, store) = open_new().await;
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it begins");
    let bare = Bare::of(&store);
    let strange = serde_json::json!([
        {"_id": true, "id": 1}, {"_id": {"a": 1}, "id": 1}, {"_id": ["a", ["b"]], "id": 1}, {"_id": ["one"], "id": 1},
        {"_id": "", "id": ""}, {"_id": "big", "id": u64::MAX, "quantity": u64::MAX}, {"_id": "husk"},
        {"_id": "nested", "id": {"a": {"b": [{"c": null}]}}},
    ]);
    for document in strange.as_array().expect("a list") {
        let arguments = serde_json::json!({ "docs": [document] });
        bare.changes("INSERT INTO stocks DOCUMENTS (:docs)", arguments)
            .await;
    }
    write(&store, 1, vec![insert(&text_id("fine"), 1)]).await;
    wait_for(&mut observation, &text_id("fine")).await;
    let scan = store.scan(&STOCK, &Query::all()).await.expect("it scans");
    let mut ids: Vec<_> = scan.ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        ["big", "fine", "nested"],
        "ids that no row can have are left out"
    );
}
