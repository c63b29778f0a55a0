//! Two devices on one engine.

use ditto_sync::ditto_sdk;

use crate::model::{Device, in_step, open_store};

#[tokio::test]
async fn two_databases_stay_in_step() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = open_store(&directory.path().join("ditto")).await;
    let one = Device::start(&directory.path().join("one.db"), store.clone()).await;
    let other = Device::start(&directory.path().join("other.db"), store.clone()).await;
    one.run(
        "INSERT INTO stocks VALUES ('s1', 'soap', 2.5, 10, '[\"a\",\"b\"]', x'00ff'), ('s2', NULL, -0.5, 3, '[]', NULL), ('s3', 'tea', 1, 1, '[]', x'')",
    )
    .await;
    assert_eq!(in_step(&one, &other).await.len(), 3);
    other
        .run(
            "UPDATE stocks SET quantity = quantity - 4, labels = '[\"b\"]' WHERE id = 's1'; DELETE FROM stocks WHERE id = 's2'; \
             UPDATE stocks SET picture = NULL, product = 'green ''tea''' WHERE id = 's3'",
        )
        .await;
    one.run("UPDATE stocks SET quantity = quantity + 1, price = 3 WHERE id = 's1'")
        .await;
    let rows = in_step(&one, &other).await;
    assert_eq!(
        rows,
        [
            "'s1''soap'3.07'[\"b\"]'X'00FF'",
            "'s3''green ''tea'''1.01'[]'NULL"
        ]
    );
    // The row comes back, and its counter starts anew.
    one.run("INSERT INTO stocks VALUES ('s2', 'back', 1, 5, '[]', NULL)")
        .await;
    in_step(&one, &other).await;
    other
        .run("UPDATE stocks SET quantity = quantity + 2 WHERE id = 's2'")
        .await;
    assert_eq!(in_step(&one, &other).await[1], "'s2''back'1.07'[]'NULL");
    one.stop().await;
    other.stop().await;
    store.close().await;
}

/// A quiet pair writes nothing: not to the tables, and not to the engine.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_pair_writes_nothing() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = open_store(&directory.path().join("ditto")).await;
    let (first, second) = (directory.path().join("one.db"), directory.path().join("other.db"));
    let one = Device::start(&first, store.clone()).await;
    let other = Device::start(&second, store.clone()).await;
    one.run("INSERT INTO stocks VALUES ('s1', 'soap', 2.5, 10, '[]', NULL)")
        .await;
    in_step(&one, &other).await;
    one.stop().await;
    other.stop().await;

    // Whatever is written rings, in our bookkeeping too.
    let (rang, rings) = std::sync::mpsc::channel();
    let ditto = store.ditto().expect("the store is open");
    let mut observers = Vec::new();
    for collection in ["stocks", "ditto_sync_bookkeeping"] {
        let rang = rang.clone();
        let observer =
            ditto
                .store()
                .register_observer(format!("SELECT count(*) FROM {collection}"), move |_| {
                    // The test may have ended.
                    let _ = rang.send(());
                });
        observers.push(observer.expect("it is observed"));
        rings
            .recv_timeout(crate::model::PATIENCE)
            .expect("the first result");
    }
    let one = Device::start(&first, store.clone()).await;
    let other = Device::start(&second, store.clone()).await;
    let before = (changes(&one).await, changes(&other).await);
    in_step(&one, &other).await;
    for device in [&one, &other] {
        let report = device.sync.audit().await.expect("an audit ends");
        assert!(report.differences.is_empty(), "{report:?}");
    }
    assert_eq!((changes(&one).await, changes(&other).await), before);
    assert!(rings.try_recv().is_err(), "nothing was written to the engine");
    // The observers do ring.
    one.run("UPDATE stocks SET price = 3").await;
    rings.recv_timeout(crate::model::PATIENCE).expect("a write rings");
    for observer in observers {
        observer.cancel();
    }
    one.stop().await;
    other.stop().await;
}

/// How often the database file was written.
async fn changes(device: &Device) -> i64 {
    let version = sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(device.repository.pool())
        .await;
    version.expect("it can be asked")
}

/// An edited document that cannot be read is quarantined with the field, and mended by a later version.
#[tokio::test]
async fn a_document_of_another_program_that_does_not_fit_is_quarantined() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = open_store(&directory.path().join("ditto")).await;
    let device = Device::start(&directory.path().join("one.db"), store.clone()).await;
    put(
        &store,
        r#"{"_id": "s1", "id": "s1", "price": "cheap", "quantity": 1, "labels": []}"#,
    )
    .await;
    put(
        &store,
        r#"{"_id": "s2", "id": "s2", "price": 2, "quantity": 1, "labels": []}"#,
    )
    .await;
    let deadline = tokio::time::Instant::now() + crate::model::PATIENCE;
    while device.rows().await.len() != 1 || device.sync.quarantine().await.expect("it is told").is_empty() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:?}",
            device.sync.status().borrow()
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let quarantine = device.sync.quarantine().await.expect("it is told");
    assert!(quarantine[0].reason.contains("price"), "{}", quarantine[0].reason);
    put(&store, r#"{"_id": "s1", "price": 1}"#).await;
    while device.rows().await.len() != 2 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{:?}",
            device.sync.status().borrow()
        );
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    device.stop().await;
}

/// What another program writes through the same engine.
async fn put(store: &ditto_sync::DittoStore, document: &'static str) {
    let ditto = store.ditto().expect("the store is open");
    let written = ditto.store().transaction(async |transaction| {
        let text = "INSERT INTO stocks DOCUMENTS (deserialize_json(:d)) ON ID CONFLICT DO UPDATE";
        let arguments = std::collections::BTreeMap::from([("d", document)]);
        transaction.execute((text, arguments)).await?;
        Ok::<_, ditto_sdk::error::DittoError>(())
    });
    written.await.expect("it is written");
}
