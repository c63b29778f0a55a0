//! What is left of the bookkeeping when store or database turned out to be another than last time.

use ditto_sync_core::{
    column::ColumnValue,
    hash::ContentHash,
    intent::{Action, Expect},
    merge::{Conflict, ConflictKind},
    repository::{Mark, Recovery, Repository},
    store::{Cursor, Frontier, StoreId},
};

use super::models::{STOCK, stock, text, text_id};
use super::{
    RepositoryFixture,
    bench::{Bench, PlainStore},
};

/// Another store: nothing is agreed with it, all that was unsent still is, and its frontier is to be waited for.
pub async fn another_store_leaves_everything_unsent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (clean, dirty) = (text_id("clean"), text_id("dirty"));
    bench.agree(&STOCK, &clean, &stock("b1", "tea", 5)).await;
    bench.agree(&STOCK, &dirty, &stock("b1", "rice", 5)).await;
    let store = Mark::Store(StoreId("first".into()), Some(Frontier(vec![7])));
    let cursor = Mark::Cursor(STOCK.collection(), Some(Cursor(vec![1])));
    bench
        .repository
        .mark(&[store, cursor])
        .await
        .expect("marks are set");
    bench
        .update(&STOCK, &dirty, &[("quantity", ColumnValue::Integer(4))])
        .await;
    let lost = bench.intent().await;
    let conflicts = recover(&mut bench, Recovery::OtherStore).await;
    assert_eq!(conflicts, Vec::new());
    assert!(bench.state.await_peer);
    assert_eq!(
        bench.state.frontier,
        Some(Frontier(vec![7])),
        "what the lost store held is waited for"
    );
    assert_eq!((&bench.state.in_flight, bench.state.acknowledged), (&None, None));
    assert_ne!(bench.state.replica, lost.batch.replica);
    assert!(bench.state.models.iter().all(|model| model.cursor.is_none()));
    bench.store = PlainStore::default();
    bench.pull(&STOCK, &clean).await;
    assert!(
        bench.row(&STOCK, &clean).await.is_some(),
        "absence means nothing now"
    );
    let sent = bench.push().await;
    assert!(
        matches!(sent[0].action, Action::Seed(_)),
        "seeds come first: {sent:?}"
    );
    for id in [&clean, &dirty] {
        let row = bench.row(&STOCK, id).await;
        assert_eq!(bench.store.image(&STOCK, id), row);
    }
    bench.assert_nothing_to_send().await;
}

/// An old file: what is pending in it may have been sent by its other life, so it is reported and not sent.
pub async fn a_restored_file_reports_what_was_pending<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("product", text("pending"))]).await;
    let replica = bench.state.replica;
    let conflicts = recover(&mut bench, Recovery::RestoredFile).await;
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].kind, ConflictKind::LocalDroppedByRestore);
    assert_eq!(conflicts[0].id, id);
    assert!(
        conflicts[0]
            .fields
            .iter()
            .any(|field| field.field == "product" && field.local == Some(text("pending")))
    );
    assert_ne!(bench.state.replica, replica);
    assert!(!bench.state.await_peer);
    assert_eq!(bench.pending(&STOCK).await.entries, 0);
    let mut bench = bench.crash().await;
    bench.pull(&STOCK, &id).await;
    assert_eq!(bench.row(&STOCK, &id).await, Some(stock("b1", "tea", 5)));
    bench.assert_nothing_to_send().await;
}

/// The store lost acknowledged patches: they are pending again, as they were, and counters count once.
pub async fn a_store_behind_makes_lost_patches_pending_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    let first = bench.intent().await;
    bench.settle(&first).await;
    let kept = bench.store.clone();
    for (product, quantity) in [("mint", 4), ("rice", 2)] {
        let changes = [
            ("product", text(product)),
            ("quantity", ColumnValue::Integer(quantity)),
        ];
        bench.update(&STOCK, &id, &changes).await;
        let intent = bench.intent().await;
        bench.settle(&intent).await;
    }
    bench.store = kept;
    let last_applied = Some(first.batch.sequence);
    let conflicts = recover(&mut bench, Recovery::StoreBehind { last_applied }).await;
    assert_eq!(conflicts, Vec::new());
    assert!(bench.state.await_peer);
    assert_eq!(bench.state.acknowledged, last_applied);
    assert_eq!(bench.state.replica, first.batch.replica);
    let mut bench = bench.crash().await;
    assert_eq!(bench.state.retained, vec![(None, first.batch.sequence)]);
    let (intent, operation) = bench.only_operation().await;
    let old = stock("b1", "tea", 5);
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &old)));
    assert!(
        intent.batch.sequence > first.batch.sequence + 2,
        "no number is used twice"
    );
    bench.settle(&intent).await;
    let image = stock("b1", "rice", 2);
    assert_eq!(bench.store.image(&STOCK, &id), Some(image.clone()));
    bench.assert_agreed(&STOCK, &id, &image).await;
}

/// The store lost an acknowledged insert, and what was changed since is not sent yet.
pub async fn a_store_behind_makes_lost_inserts_pending_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    let intent = bench.intent().await;
    bench.settle(&intent).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench.store = PlainStore::default();
    let conflicts = recover(&mut bench, Recovery::StoreBehind { last_applied: None }).await;
    assert_eq!(conflicts, Vec::new());
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Absent);
    let image = stock("b1", "mint", 5);
    let document = STOCK.document_of(&id, &image).expect("it can be sent");
    assert_eq!(operation.action, Action::Insert(document));
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &image).await;
}

/// The store lost an acknowledged delete: the document is there again, and is deleted again.
pub async fn a_store_behind_makes_lost_deletes_pending_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &image).await;
    let first = bench.intent().await;
    bench.settle(&first).await;
    let kept = bench.store.clone();
    bench.delete(&STOCK, &id).await;
    let intent = bench.intent().await;
    bench.settle(&intent).await;
    bench.store = kept;
    let last_applied = Some(first.batch.sequence);
    recover(&mut bench, Recovery::StoreBehind { last_applied }).await;
    assert_eq!(bench.row(&STOCK, &id).await, None);
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.action, Action::Delete);
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &image)));
    bench.settle(&intent).await;
    assert_eq!(bench.store.get(&STOCK, &id), None);
    bench.assert_nothing_to_send().await;
}

async fn recover<F: RepositoryFixture>(bench: &mut Bench<F>, recovery: Recovery) -> Vec<Conflict> {
    let recovered = bench
        .repository
        .recover(&recovery)
        .await
        .expect("it is recovered");
    bench.state = recovered.state;
    recovered.conflicts
}
