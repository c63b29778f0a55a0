//! Opening and closing.

use std::path::Path;

use ditto_sync_core::{
    error::ErrorKind,
    query::Query,
    store::{DocumentStore, StoreError},
    value::Value,
};
use ditto_sync_ditto::{DittoStore, OpenError};
use ditto_sync_testkit::models::STOCK;

use super::{
    fixture::{Bare, config, open, open_new},
    session::{insert, intent, quantity, text_id, write},
};

/// The engine would look for it beside the executable.
#[tokio::test]
async fn a_relative_directory_is_refused() {
    let opened = DittoStore::open(config(Path::new("here"))).await;
    let error = opened.expect_err("it is relative");
    assert!(matches!(error, OpenError::RelativeDirectory(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(!Path::new("here").exists());
}

#[tokio::test]
async fn a_directory_in_use_is_named() {
    let (directory, store) = open_new().await;
    let opened = DittoStore::open(config(directory.path())).await;
    let error = opened.expect_err("it is in use");
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(
        error
            .to_string()
            .contains(&directory.path().display().to_string()),
        "{error}"
    );
    store.close().await;
    open(directory.path()).await;
}

#[tokio::test]
async fn a_directory_that_is_let_go_of_soon_is_waited_for() {
    let (directory, store) = open_new().await;
    write(&store, 1, vec![insert(&text_id("a"), 1)]).await;
    // Both at once: the engine itself waits a second in an attempt.
    let (opened, ()) = tokio::join!(DittoStore::open(config(directory.path())), store.close());
    let store = opened.expect("it opens once the other has gone");
    assert_eq!(quantity(&store, &text_id("a")).await, Some(Value::Int(1)));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_directory, store) = open_new().await;
    let clone = store.clone();
    store.close().await;
    store.close().await;
    let id = [text_id("a")];
    assert!(matches!(clone.fetch(&STOCK, &id).await, Err(StoreError::Closed)));
    assert!(matches!(
        clone.scan(&STOCK, &Query::all()).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(clone.ditto(), Err(StoreError::Closed)));
    let written = clone.write(&intent(1, vec![insert(&id[0], 1)])).await;
    assert!(matches!(written, Err(StoreError::Closed)), "{written:?}");
    let observed = clone.observe(&STOCK, &Query::all(), None).await;
    assert!(matches!(observed, Err(StoreError::Closed)));
}

/// What the store remembers about itself is of no use to other devices, and would do harm there.
#[tokio::test]
async fn the_bookkeeping_stays_on_this_device_and_the_scopes_of_others_stay_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut config = config(directory.path());
    let scopes = serde_json::json!({ "mine": "AllPeers" });
    config
        .system_parameters
        .insert("user_collection_sync_scopes".into(), scopes);
    let store = DittoStore::open(config).await.expect("the engine opens");
    let bare = Bare::of(&store);
    let show = "SHOW user_collection_sync_scopes";
    let wanted = serde_json::json!({ "user_collection_sync_scopes": { "mine": "AllPeers", "ditto_sync_bookkeeping": "LocalPeerOnly" } });
    assert_eq!(
        bare.rows(show, serde_json::json!({})).await,
        std::slice::from_ref(&wanted)
    );

    // A Ditto of the user's own, whose setting knows nothing of us.
    let scopes = serde_json::json!({ "scopes": { "mine": "AllPeers" } });
    bare.rows("ALTER SYSTEM SET user_collection_sync_scopes = :scopes", scopes)
        .await;
    let again = DittoStore::new(store.ditto().expect("it is open")).await;
    again.expect("a second store opens");
    assert_eq!(bare.rows(show, serde_json::json!({})).await, [wanted]);
}

#[tokio::test]
async fn a_batch_of_this_process_has_a_reach_and_others_have_none() {
    let (_directory, store) = open_new().await;
    write(&store, 1, vec![insert(&text_id("a"), 1)]).await;
    let batch = intent(1, vec![]).batch;
    let reach = store
        .reach(batch)
        .await
        .expect("it is told")
        .expect("the commit is known");
    assert!(
        reach.peers.is_empty() && !reach.is_in_the_cloud(),
        "there is nobody else"
    );
    let unknown = store.reach(intent(2, vec![]).batch).await.expect("it is told");
    assert_eq!(unknown, None);
}
