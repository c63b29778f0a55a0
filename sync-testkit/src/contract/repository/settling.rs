//! What becomes of an intent in flight.

use ditto_sync_core::{
    column::ColumnValue,
    hash::ContentHash,
    intent::{Action, Expect},
    repository::{Quarantined, Way},
};

use super::models::{STOCK, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

/// An intent is durable before it is returned: after a crash it is in flight, the same, and can be acknowledged.
pub async fn an_intent_survives_a_crash<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (first, second) = (text_id("s1"), text_id("s2"));
    bench.agree(&STOCK, &first, &stock("b1", "tea", 5)).await;
    bench
        .update(
            &STOCK,
            &first,
            &[("quantity", ColumnValue::Integer(3)), ("note", text("x"))],
        )
        .await;
    bench.insert(&STOCK, &second, &stock("b1", "rice", 1)).await;
    let intent = bench.intent().await;
    let mut bench = bench.crash().await;
    assert_eq!(bench.state.in_flight, Some(intent.clone()));
    bench.settle(&intent).await;
    let mut bench = bench.crash().await;
    assert_eq!(bench.state.in_flight, None);
    assert_eq!(bench.state.acknowledged, Some(intent.batch.sequence));
    bench.assert_nothing_to_send().await;
}

/// A refused intent happened nowhere: its rows are as dirty as before.
pub async fn a_discarded_intent_leaves_its_rows_dirty<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    let (intent, operation) = bench.only_operation().await;
    bench.discard(&intent, &[]).await;
    let mut bench = bench.crash().await;
    assert_eq!(bench.state.in_flight, None);
    assert_eq!(bench.state.acknowledged, None);
    let (intent, again) = bench.only_operation().await;
    assert_eq!(again, operation);
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
}

/// Neither a refusal nor a crash gives a number back.
pub async fn a_batch_number_is_never_used_twice<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)).await;
    let mut used = Vec::new();
    for _ in 0..3 {
        let intent = bench.intent().await;
        bench.discard(&intent, &[]).await;
        used.push(intent.batch.sequence);
        bench = bench.crash().await;
    }
    let intent = bench.intent().await;
    bench.settle(&intent).await;
    used.push(intent.batch.sequence);
    assert!(
        used.windows(2).all(|pair| pair[0] < pair[1]),
        "numbers grow: {used:?}"
    );
}

/// Acknowledged is what was sent, not what the row became since: the rest follows as a patch against the image sent.
pub async fn a_row_changed_meanwhile_stays_dirty_against_the_image_sent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, sent) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &sent).await;
    let intent = bench.intent().await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(9))])
        .await;
    bench.settle(&intent).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &sent)));
    let increments = vec![("quantity".into(), 4)];
    assert_eq!(
        operation.action,
        Action::Patch {
            set: Vec::new(),
            increments
        }
    );
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &stock("b1", "tea", 9)).await;
}

/// A row deleted while its insert was in flight is deleted by the next intent.
pub async fn a_row_deleted_meanwhile_stays_dirty<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, sent) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &sent).await;
    let intent = bench.intent().await;
    bench.delete(&STOCK, &id).await;
    bench.settle(&intent).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &sent)));
    assert_eq!(operation.action, Action::Delete);
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
}

/// What the store will never take does not go round: it waits, visibly, until the row changes.
pub async fn a_rejected_row_is_set_aside_until_it_changes<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (bad, good) = (text_id("s1"), text_id("s2"));
    bench.insert(&STOCK, &bad, &stock("b1", "tea", 5)).await;
    bench.insert(&STOCK, &good, &stock("b1", "rice", 6)).await;
    let intent = bench.intent().await;
    let rejected = Quarantined {
        model: &STOCK,
        id: Some(bad.clone()),
        way: Way::Outbound,
        reason: "the store does not like tea".to_owned(),
    };
    bench.discard(&intent, std::slice::from_ref(&rejected)).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.id, good);
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
    let pending = bench.pending(&STOCK).await;
    assert_eq!(
        (pending.entries, pending.quarantined),
        (1, 1),
        "the change is not lost"
    );
    let mut bench = bench.crash().await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.id, bad, "after a start it is tried once more");
    bench.discard(&intent, &[rejected]).await;
    bench.assert_nothing_to_send().await;
    bench.update(&STOCK, &bad, &[("product", text("mint"))]).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.id, bad);
    bench.settle(&intent).await;
    let pending = bench.pending(&STOCK).await;
    assert_eq!((pending.entries, pending.quarantined), (0, 0));
}

/// Some acknowledged intents can be taken back: each says which batch came before it.
pub async fn acknowledged_intents_are_retained<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let mut expected = Vec::new();
    let mut before = None;
    for at in 0..3 {
        bench
            .insert(&STOCK, &text_id(&format!("s{at}")), &stock("b1", "tea", at))
            .await;
        let intent = bench.intent().await;
        bench.settle(&intent).await;
        expected.push((before, intent.batch.sequence));
        before = Some(intent.batch.sequence);
    }
    let bench = bench.crash().await;
    assert_eq!(bench.state.retained, expected);
    assert_eq!(bench.state.acknowledged, before);
}
