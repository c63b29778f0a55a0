//! Mass changes: what documents would do to rows is told without doing it, and rows can win over them.

use std::time::{Duration, SystemTime};

use ditto_sync_core::{
    breaker::{Burst, Effect},
    column::ColumnValue,
    descriptor::ModelDescriptor,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Expect},
    repository::{InboundItem, Mark, Recovery, Repository, RowRef},
};

use super::models::{MODELS, ORDER, ORDER_ITEM, STOCK, item, item_id, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

/// Deletes and overwritten values are told from what harms no row, and nothing is written.
pub async fn what_documents_would_do_is_told_and_not_done<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let names = ["gone", "other", "same", "dirty", "reinserted", "deleted"];
    for name in names {
        bench.agree(&STOCK, &text_id(name), &stock("b1", "tea", 5)).await;
    }
    bench
        .update(&STOCK, &text_id("dirty"), &[("product", text("mint"))])
        .await;
    for name in ["reinserted", "deleted"] {
        bench.delete(&STOCK, &text_id(name)).await;
    }
    bench
        .insert(&STOCK, &text_id("reinserted"), &stock("b1", "rice", 1))
        .await;
    for name in ["gone", "dirty", "reinserted", "deleted"] {
        bench.store.delete(&STOCK, &text_id(name));
    }
    bench.store.set(&STOCK, &text_id("other"), "product", "coffee");
    bench.store.put(&STOCK, &text_id("new"), &stock("b1", "salt", 1));
    // The draft of before has nothing to do with it, but a repository may need to have looked at its changes.
    let before = bench.fixture.writes().await;
    let weighed = weigh(
        &bench,
        &STOCK,
        &[
            "gone",
            "other",
            "same",
            "dirty",
            "reinserted",
            "deleted",
            "new",
            "unheard of",
        ],
    )
    .await;
    assert_eq!(
        weighed.1,
        [
            Effect::Delete,
            Effect::Overwrite,
            Effect::Harmless,
            Effect::Delete,
            Effect::Harmless,
            Effect::Harmless,
            Effect::Harmless,
            Effect::Harmless,
        ]
    );
    assert_eq!(weighed.0, 6, "rows that have agreed with their documents");
    assert_eq!(bench.fixture.writes().await, before, "nothing is written");
    assert!(bench.row(&STOCK, &text_id("gone")).await.is_some());
}

/// What waits for another row was let through once.
pub async fn a_parked_delete_weighs_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let line = item_id("o1", 1);
    bench.store.put(&ORDER_ITEM, &line, &item("tea", 1));
    bench.pull(&ORDER_ITEM, &line).await;
    assert_eq!(
        bench.parked().await.len(),
        1,
        "its order is missing: {}",
        ORDER.collection()
    );
    bench.store.delete(&ORDER_ITEM, &line);
    let found = items(&bench, &ORDER_ITEM, std::slice::from_ref(&line));
    let asked: Vec<_> = found.iter().collect();
    let weighed = bench.repository.weigh(&ORDER_ITEM, &asked).await;
    assert_eq!(weighed.expect("it is weighed").effects, [Effect::Harmless]);
}

/// A row whose document was deleted is inserted again, durably; an unsent change of it goes along.
pub async fn a_rejected_delete_becomes_an_insert<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (clean, dirty) = (text_id("clean"), text_id("dirty"));
    for id in [&clean, &dirty] {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench
        .update(&STOCK, &dirty, &[("quantity", ColumnValue::Integer(3))])
        .await;
    bench.store.delete(&STOCK, &clean);
    bench.store.delete(&STOCK, &dirty);
    let kept = reject(&bench, &[clean.clone(), dirty.clone()], &[]).await;
    assert_eq!(kept.len(), 2);
    let mut bench = bench.crash().await;
    let sent = bench.push().await;
    assert_eq!(sent.len(), 2);
    for operation in &sent {
        assert_eq!(operation.expect, Expect::Absent);
        assert!(matches!(operation.action, Action::Insert(_)), "{operation:?}");
    }
    assert_eq!(bench.store.image(&STOCK, &clean), Some(stock("b1", "tea", 5)));
    assert_eq!(bench.store.image(&STOCK, &dirty), Some(stock("b1", "tea", 3)));
    bench.assert_agreed(&STOCK, &clean, &stock("b1", "tea", 5)).await;
}

/// A row whose document was overwritten sends its own values over it; counters go back by an increment.
pub async fn a_rejected_overwrite_becomes_an_update<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("note", text("mine"))]).await;
    let mine = bench.row(&STOCK, &id).await.expect("the row");
    let theirs = stock("b1", "oops", 9);
    bench.store.put(&STOCK, &id, &theirs);
    assert_eq!(reject(&bench, std::slice::from_ref(&id), &[]).await.len(), 1);
    let mut bench = bench.crash().await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &theirs)));
    let Action::Patch { set, increments } = &operation.action else {
        panic!("a patch: {operation:?}");
    };
    assert!(
        set.iter().any(|(field, _)| field.as_str() == "product"),
        "{set:?}"
    );
    assert_eq!(increments.len(), 1);
    assert_eq!(increments[0].1, -4);
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &mine).await;
}

/// What is in no danger is left alone: unknown and known documents, rows that are gone.
pub async fn a_rejection_leaves_everything_else_alone<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (same, gone) = (text_id("same"), text_id("gone"));
    for id in [&same, &gone] {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench.delete(&STOCK, &gone).await;
    bench.push().await;
    bench.store.put(&STOCK, &text_id("new"), &stock("b1", "salt", 1));
    let ids = [same, gone, text_id("new"), text_id("unheard of")];
    assert_eq!(reject(&bench, &ids, &[]).await, Vec::new());
    bench.assert_nothing_to_send().await;
}

/// The count of a burst, and that something is held, survive a crash; a rejection sets its marks with it, and another store knows nothing of it.
pub async fn a_burst_is_durable<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let at = MODELS
        .iter()
        .position(|model| model.collection() == STOCK.collection())
        .expect("the model is prepared");
    let burst = Burst {
        deletes: 7,
        held: true,
        ..Burst::new(SystemTime::UNIX_EPOCH + Duration::from_millis(1234))
    };
    let mark = [Mark::Burst(STOCK.collection(), Some(burst.clone()))];
    bench.pull_marked(&[], &mark, 100).await;
    let bench = bench.crash().await;
    assert_eq!(bench.state.models[at].burst, Some(burst.clone()));
    reject(&bench, &[], &[Mark::Burst(STOCK.collection(), None)]).await;
    let bench = bench.crash().await;
    assert_eq!(bench.state.models[at].burst, None);
    bench.repository.mark(&mark).await.expect("it is set");
    let recovered = bench.repository.recover(&Recovery::OtherStore).await;
    assert_eq!(recovered.expect("it recovers").state.models[at].burst, None);
    let bench = bench.crash().await;
    assert_eq!(bench.state.models[at].burst, None);
}

fn items<F: RepositoryFixture>(
    bench: &Bench<F>,
    model: &'static ModelDescriptor,
    ids: &[DocumentId],
) -> Vec<InboundItem> {
    let item = |id: &DocumentId| {
        let document = bench.store.get(model, id).cloned();
        InboundItem::new(model, id.clone(), document, &bench.scopes)
    };
    ids.iter().map(item).collect()
}

async fn weigh<F: RepositoryFixture>(
    bench: &Bench<F>,
    model: &'static ModelDescriptor,
    names: &[&str],
) -> (u64, Vec<Effect>) {
    let ids: Vec<_> = names.iter().map(|name| text_id(name)).collect();
    let found = items(bench, model, &ids);
    let asked: Vec<_> = found.iter().collect();
    let weighed = bench
        .repository
        .weigh(model, &asked)
        .await
        .expect("it is weighed");
    (weighed.rows, weighed.effects)
}

async fn reject<F: RepositoryFixture>(bench: &Bench<F>, ids: &[DocumentId], marks: &[Mark]) -> Vec<RowRef> {
    let found = items(bench, &STOCK, ids);
    let kept = bench.repository.reject(&found, marks).await;
    kept.expect("they are taken back")
}
