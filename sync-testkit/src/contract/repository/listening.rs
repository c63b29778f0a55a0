//! Which rows change, for listeners, and reading them.

use std::{collections::BTreeSet, time::Duration};

use ditto_sync_core::{
    column::ColumnValue,
    descriptor::ModelDescriptor,
    id::DocumentId,
    live::Origin,
    query::{Query, field},
    repository::Repository,
    value::Value,
};
use futures_util::FutureExt;

use super::models::{
    CATEGORY, ORDER, ORDER_ITEM, STOCK, category, item, item_id, order, stock, text, text_id,
};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

/// Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was told.
type Heard = BTreeSet<(&'static str, DocumentId, bool)>;

/// Inserts, updates and deletes of the app are told, whatever was asked in between.
pub async fn changes_of_the_app_are_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(4))])
        .await;
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
    bench.delete(&STOCK, &id).await;
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
}

/// A change that is sent and acknowledged before anyone asks is told all the same.
pub async fn a_change_acknowledged_between_two_looks_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.push().await;
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
}

/// Whoever was told of a change is told when it is taken back, though no entry is left of either.
pub async fn a_change_taken_back_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    heard(&bench).await;
    let rename = |name| [("product", text(name))];
    bench.update(&STOCK, &id, &rename("coffee")).await;
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
    bench.update(&STOCK, &id, &rename("tea")).await;
    assert_eq!(bench.draft().await.dropped, 1);
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
}

/// Documents that become rows, change and delete them are told as not local; what cascades from a delete is.
pub async fn changes_of_the_store_are_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&ORDER, &ORDER_ITEM]).await;
    let (parent, child) = (text_id("o1"), item_id("o1", 1));
    bench.agree(&ORDER, &parent, &order("ann", 1.0)).await;
    assert_eq!(heard(&bench).await, remote(&ORDER, &parent));
    bench.agree(&ORDER_ITEM, &child, &item("tea", 1)).await;
    assert_eq!(heard(&bench).await, remote(&ORDER_ITEM, &child));
    bench.store.delete(&ORDER, &parent);
    bench.pull(&ORDER, &parent).await;
    let mut expected = remote(&ORDER, &parent);
    expected.extend(local(&ORDER_ITEM, &child));
    assert_eq!(heard(&bench).await, expected);
}

/// A merge changes the row of a local change: both are told.
pub async fn a_merge_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    heard(&bench).await;
    bench.update(&STOCK, &id, &[("note", text("mine"))]).await;
    bench.store.set(&STOCK, &id, "product", "coffee");
    bench.pull(&STOCK, &id).await;
    let mut expected = remote(&STOCK, &id);
    expected.extend(local(&STOCK, &id));
    assert_eq!(heard(&bench).await, expected);
}

/// A row that leaves the scope is told, whether its document or the app moved it.
pub async fn a_row_that_leaves_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    bench
        .scopes
        .set(&STOCK, Query::new(field("branchId").eq(Value::from("mine"))));
    let (one, other) = (text_id("s1"), text_id("s2"));
    bench.agree(&STOCK, &one, &stock("mine", "tea", 5)).await;
    bench.agree(&STOCK, &other, &stock("mine", "tea", 5)).await;
    heard(&bench).await;
    bench.store.set(&STOCK, &one, "branchId", "other");
    bench.pull(&STOCK, &one).await;
    assert_eq!(heard(&bench).await, remote(&STOCK, &one));
    bench
        .update(&STOCK, &other, &[("branch_id", text("other"))])
        .await;
    bench.push().await;
    assert_eq!(bench.row(&STOCK, &other).await, None);
    let mut expected = remote(&STOCK, &other);
    expected.extend(local(&STOCK, &other));
    assert_eq!(heard(&bench).await, expected);
}

/// Models that nobody listens to, and changes from before, are not told.
pub async fn only_what_is_listened_to_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&CATEGORY]).await;
    let number = DocumentId::integer;
    bench.insert(&CATEGORY, &number(1), &category("food")).await;
    bench.repository.listen(&[]).await.expect("it listens no more");
    bench.insert(&CATEGORY, &number(2), &category("drink")).await;
    bench.repository.listen(&[&CATEGORY]).await.expect("it listens");
    bench.insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)).await;
    bench.insert(&CATEGORY, &number(3), &category("tools")).await;
    assert_eq!(heard(&bench).await, local(&CATEGORY, &number(3)));
}

/// A wait that is dropped leaves the change to the next one.
pub async fn a_cancelled_hearing_misses_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    let id = text_id("s1");
    let waiting = bench.repository.heard().boxed();
    bench
        .fixture
        .change(AppChange::insert(&STOCK, &id, &stock("b1", "tea", 5)))
        .await
        .expect("the app can write");
    drop(waiting);
    for polls in 0..20 {
        let mut waiting = bench.repository.heard().boxed();
        for _ in 0..polls {
            if let Some(told) = waiting.as_mut().now_or_never() {
                assert!(!told.expect("it hears").is_empty());
                return;
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
}

/// What changes while the repository is closed is told after the next prepare.
pub async fn what_changes_while_it_is_closed_is_heard<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[&STOCK]).await;
    bench.repository.close().await;
    assert!(
        bench.repository.heard().await.is_err(),
        "a closed repository hears nothing"
    );
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    let models = super::models::MODELS;
    bench.repository.prepare(&models).await.expect("it opens again");
    assert_eq!(heard(&bench).await, local(&STOCK, &id));
}

/// Rows are read as they are, in the order asked for, and those that match a query in key order; also what SQL alone cannot compare.
pub async fn rows_are_read_and_selected<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[]).await;
    let ids: Vec<_> = ["s1", "s2", "s3"].into_iter().map(text_id).collect();
    for (at, id) in ids.iter().enumerate() {
        let quantity = i64::try_from(at).expect("a small number");
        bench.insert(&STOCK, id, &stock("b1", "tea", quantity)).await;
    }
    let asked = [ids[2].clone(), text_id("none"), ids[0].clone()];
    let rows = bench
        .repository
        .read_rows(&STOCK, &asked)
        .await
        .expect("rows are read");
    let expected = vec![
        Some(Ok(stock("b1", "tea", 2))),
        None,
        Some(Ok(stock("b1", "tea", 0))),
    ];
    assert_eq!(rows, expected);
    let query = Query::new(field("quantity").ge(1));
    let found = bench
        .repository
        .select_rows(&STOCK, &query)
        .await
        .expect("rows are selected");
    let found: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
    assert_eq!(found, ids[1..]);
    let all = bench
        .repository
        .select_rows(&STOCK, &Query::all())
        .await
        .expect("rows are selected");
    assert_eq!(all.len(), 3);
    let unknown = Query::new(field("colour").eq(1));
    let refused = bench.repository.select_rows(&STOCK, &unknown).await;
    assert!(refused.is_err(), "the model has no such field: {refused:?}");
}

/// A row that cannot be read is listed with the reason, and hides no other.
pub async fn an_unreadable_row_is_listed_with_the_reason<F: RepositoryFixture>(fixture: F) {
    let mut bench = listening(fixture, &[]).await;
    let mut broken = stock("b1", "tea", 1);
    broken.columns_mut()[1] = ColumnValue::Blob(vec![1]);
    bench.insert(&STOCK, &text_id("s1"), &broken).await;
    bench.insert(&STOCK, &text_id("s2"), &stock("b1", "tea", 2)).await;
    let rows = bench
        .repository
        .select_rows(&STOCK, &Query::all())
        .await
        .expect("rows are selected");
    let readable: Vec<_> = rows.iter().map(|(_, row)| row.is_ok()).collect();
    assert_eq!(readable, [false, true]);
    let reason = rows[0].1.as_ref().expect_err("the first is broken").to_string();
    assert!(reason.contains("product"), "{reason}");
}

async fn listening<F: RepositoryFixture>(fixture: F, models: &[&'static ModelDescriptor]) -> Bench<F> {
    let bench = Bench::new(fixture).await;
    bench.repository.listen(models).await.expect("it listens");
    bench
}

async fn heard<F: RepositoryFixture>(bench: &Bench<F>) -> Heard {
    let told = tokio::time::timeout(PATIENCE, bench.repository.heard()).await;
    let told = told.expect("a change is told").expect("it hears");
    told.into_iter()
        .map(|touched| (touched.collection, touched.id, touched.origin == Origin::Local))
        .collect()
}

fn local(model: &ModelDescriptor, id: &DocumentId) -> Heard {
    [(model.collection(), id.clone(), true)].into()
}

fn remote(model: &ModelDescriptor, id: &DocumentId) -> Heard {
    [(model.collection(), id.clone(), false)].into()
}
