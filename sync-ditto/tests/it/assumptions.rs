//! What the store relies on and the engine does not promise, on the bare engine: an upgrade that changes any of it fails here first.

use std::{sync::mpsc, time::Duration};

use serde_json::json;

use super::fixture::{Bare, open_new};

/// A cheap doorbell: an observer of the count fires at every change of the collection, though the count stays.
#[tokio::test]
async fn an_observer_of_the_count_fires_at_every_change() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let (rang, rings) = mpsc::channel();
    let observer = bare
        .ditto()
        .store()
        .register_observer("SELECT count(*) FROM c", move |_| {
            // The test may have ended.
            let _ = rang.send(());
        });
    let observer = observer.expect("it is observed");
    let ring = || rings.recv_timeout(Duration::from_secs(30)).expect("it rings");
    ring();
    bare.changes("INSERT INTO c DOCUMENTS (:d)", json!({"d": {"_id": "a", "v": 1}}))
        .await;
    ring();
    bare.changes("UPDATE c SET v = 2 WHERE _id = 'a'", json!({}))
        .await;
    ring();
    bare.changes("UPDATE c APPLY n INCREMENT BY 1 WHERE _id = 'a'", json!({}))
        .await;
    ring();
    bare.changes("DELETE FROM c WHERE _id = 'a'", json!({})).await;
    ring();
    observer.cancel();
}

/// What is equal is not written again, so it makes nothing newer.
#[tokio::test]
async fn an_upsert_of_differences_writes_no_equal_value() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let upsert = "INSERT INTO COLLECTION c (j REGISTER) DOCUMENTS (:d) ON ID CONFLICT DO UPDATE_LOCAL_DIFF";
    let document = json!({"d": {"_id": "a", "v": 1.5, "j": {"b": [1, {"c": null}], "a": 1}, "t": null}});
    assert_eq!(bare.changes(upsert, document.clone()).await, 1);
    assert_eq!(bare.changes(upsert, document).await, 0, "nothing differs");
    assert_eq!(bare.changes(upsert, json!({"d": {"_id": "a", "v": 2}})).await, 1);
    assert_eq!(
        bare.changes(upsert, json!({"d": {"_id": "a", "j": {"a": 1}}}))
            .await,
        1
    );
    let rows = bare.rows("SELECT * FROM c", json!({})).await;
    assert_eq!(
        rows,
        [json!({"_id": "a", "v": 2, "j": {"a": 1}, "t": null})],
        "a register shrinks"
    );
}

/// Equal documents are equal bytes, whatever the order of writing.
#[tokio::test]
async fn documents_are_written_with_sorted_keys() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    bare.changes(
        "INSERT INTO c DOCUMENTS (:d)",
        json!({"d": {"_id": "a", "b": 1, "a": {"z": 1, "b": 2}}}),
    )
    .await;
    bare.changes(
        "INSERT INTO e DOCUMENTS (:d)",
        json!({"d": {"_id": "a", "a": {"b": 2}}}),
    )
    .await;
    bare.changes("UPDATE e SET a.z = 1, b = 1 WHERE _id = 'a'", json!({}))
        .await;
    let cbor = async |text: &str| {
        let read = bare.ditto().store().transaction(async |transaction| {
            let result = transaction.execute(text).await?;
            Ok::<_, ditto_sync_ditto::sdk::error::DittoError>(result.get_item(0).map(|item| item.cbor_data()))
        });
        read.await.expect("it is read")
    };
    let (one, other) = (cbor("SELECT * FROM c").await, cbor("SELECT * FROM e").await);
    assert!(one.is_some() && one == other);
}

/// Both tests are needed to tell an anchor.
#[tokio::test]
async fn a_missing_field_is_not_null_and_a_null_is_not_missing() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let documents =
        json!({"docs": [{"_id": "missing"}, {"_id": "null", "id": null}, {"_id": "there", "id": 1}]});
    bare.changes("INSERT INTO c DOCUMENTS (:docs)", documents).await;
    let ids = async |condition: &str| {
        let rows = bare
            .rows(&format!("SELECT _id FROM c WHERE {condition}"), json!({}))
            .await;
        rows.iter()
            .map(|row| row["_id"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("id IS NOT NULL").await, ["there", "missing"]);
    assert_eq!(ids("id IS NOT MISSING").await, ["null", "there"]);
    assert_eq!(ids("id IS NOT MISSING AND id IS NOT NULL").await, ["there"]);
}

/// Without an error: hence lists of one type each.
#[tokio::test]
async fn a_list_of_several_types_finds_nothing() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let documents = json!({"docs": [{"_id": 1}, {"_id": 2}, {"_id": "a"}, {"_id": ["o", 1]}, {"_id": ["o", 2]}, {"_id": ["o", "x"]}]});
    bare.changes("INSERT INTO c DOCUMENTS (:docs)", documents).await;
    let found = async |ids: serde_json::Value| {
        bare.rows("SELECT _id FROM c WHERE _id IN :ids", json!({ "ids": ids }))
            .await
            .len()
    };
    assert_eq!(found(json!([1, 2])).await, 2);
    assert_eq!(found(json!([["o", 1], ["o", 2]])).await, 2);
    assert_eq!(found(json!([])).await, 0);
    assert_eq!(found(json!([1, "a"])).await, 0);
    assert_eq!(found(json!([["o", 1], ["o", "x"]])).await, 0);
}

/// Hence the look at seeds before they are committed.
#[tokio::test]
async fn a_seed_over_a_deleted_document_is_a_ghost_unless_it_is_the_same_seed() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let seed = "INSERT INTO COLLECTION c (n COUNTER) INITIAL DOCUMENTS (:d)";
    let document = |note: &str| json!({"d": {"_id": note, "id": note, "n": 5, "note": note}});
    bare.changes(seed, document("same")).await;
    bare.changes(
        "INSERT INTO COLLECTION c (n COUNTER) DOCUMENTS (:d)",
        document("written"),
    )
    .await;
    bare.changes(
        "DELETE FROM c WHERE _id IN :ids",
        json!({"ids": ["same", "written"]}),
    )
    .await;
    bare.changes(seed, document("same")).await;
    bare.changes(seed, document("written")).await;
    let rows = bare.rows("SELECT * FROM c", json!({})).await;
    assert_eq!(
        rows,
        [json!({"_id": "written", "id": null, "n": 0, "note": null})]
    );
    // There is no clause to say what happens where a document is.
    bare.error(&format!("{seed} ON ID CONFLICT DO NOTHING"), document("same"))
        .await;
}

/// Seeds lie below what is written, and count on.
#[tokio::test]
async fn a_seed_changes_no_document_and_its_counter_counts_on() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let seed = "INSERT INTO COLLECTION c (n COUNTER) INITIAL DOCUMENTS (:d)";
    bare.changes(seed, json!({"d": {"_id": "a", "id": "a", "n": 5}}))
        .await;
    bare.changes("UPDATE c APPLY n INCREMENT BY 3 WHERE _id = 'a'", json!({}))
        .await;
    assert_eq!(
        bare.changes(seed, json!({"d": {"_id": "a", "id": "b", "n": 50}}))
            .await,
        0
    );
    let rows = bare.rows("SELECT * FROM c", json!({})).await;
    assert_eq!(rows, [json!({"_id": "a", "id": "a", "n": 8})]);
}

/// An insert starts an epoch, and so does `RESTART`.
#[tokio::test]
async fn counters_start_anew_and_wrap() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let count = async || bare.rows("SELECT n FROM c", json!({})).await[0]["n"].as_i64();
    let insert = "INSERT INTO COLLECTION c (n COUNTER) DOCUMENTS (:d)";
    bare.changes(insert, json!({"d": {"_id": "a", "n": 5}})).await;
    bare.changes("UPDATE c APPLY n INCREMENT BY 7 WHERE _id = 'a'", json!({}))
        .await;
    bare.changes("DELETE FROM c WHERE _id = 'a'", json!({})).await;
    bare.changes(insert, json!({"d": {"_id": "a", "n": 1}})).await;
    assert_eq!(count().await, Some(1), "the old increments are gone");
    bare.changes(
        "UPDATE c APPLY n RESTART WITH :v WHERE _id = 'a'",
        json!({"v": i64::MAX}),
    )
    .await;
    bare.changes("UPDATE c APPLY n INCREMENT BY 1 WHERE _id = 'a'", json!({}))
        .await;
    assert_eq!(count().await, Some(i64::MIN));
}

/// Hence the second look at counters that another program wrote as numbers.
#[tokio::test]
async fn an_increment_hides_a_plain_number_and_a_declared_read_tells_it() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    bare.changes(
        "INSERT INTO c DOCUMENTS (:d)",
        json!({"d": {"_id": "a", "n": 5, "t": "x"}}),
    )
    .await;
    let counted = "SELECT * FROM COLLECTION c (n COUNTER)";
    assert_eq!(
        bare.rows(counted, json!({})).await,
        [json!({"_id": "a", "t": "x"})]
    );
    bare.changes("UPDATE c APPLY n INCREMENT BY 1 WHERE _id = 'a'", json!({}))
        .await;
    assert_eq!(bare.rows("SELECT n FROM c", json!({})).await, [json!({"n": 1})]);
}

/// Nothing of a statement that fails is applied, but the transaction goes on: hence the rollback at every error.
#[tokio::test]
async fn a_statement_fails_as_a_whole() {
    let (_directory, store) = open_new().await;
    let bare = Bare::of(&store);
    let big = "x".repeat(6 << 20);
    let documents = json!({"docs": [{"_id": "fine"}, {"_id": "big", "v": big}]});
    bare.error("INSERT INTO c DOCUMENTS (:docs)", documents).await;
    assert!(bare.rows("SELECT * FROM c", json!({})).await.is_empty());
    bare.error("INSERT INTO c DOCUMENTS (:docs)", json!({"docs": []}))
        .await;
}
