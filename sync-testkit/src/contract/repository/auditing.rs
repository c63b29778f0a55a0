//! What an audit asks: the sums of the rows that can be compared, single buckets of them, and that rows are forgotten.

use std::collections::HashSet;

use ditto_sync_core::{
    audit::{Digest, RowDigest, bucket_of},
    descriptor::ModelDescriptor,
    hash::{ContentHash, IdHash},
    id::DocumentId,
    intent::Action,
    merge::ConflictKind,
    repository::{Repository, RowRef},
};

use super::models::{ORDER, ORDER_ITEM, STOCK, item, item_id, order, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

/// Few enough that rows share them.
const BUCKETS: usize = 16;

/// Rows that agree with their documents add up to what these do. Looking costs no write.
pub async fn rows_that_agree_have_the_sums_of_their_documents<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let expected = agree_on_many(&mut bench).await;
    let before = bench.fixture.writes().await;
    let found = digest(&bench, &STOCK).await;
    assert_eq!(found.digest, expected);
    assert_eq!((found.rows, found.skipped.len()), (40, 0));
    let all: HashSet<_> = (0..BUCKETS).collect();
    let rows = bench.repository.audited(&STOCK, (&all, BUCKETS)).await;
    let rows = rows.expect("rows are listed");
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| row.known == Some(row.hash)));
    assert_eq!(bench.fixture.writes().await, before, "an audit changes nothing");
}

/// Rows that are dirty, deleted and not sent yet, never sent, or kept out of scope, and documents that wait for a parent or cannot be read, with a row or
/// without one.
pub async fn what_cannot_be_compared_is_left_out<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let ids = ["agreed", "dirty", "deleted", "new", "unreadable", "bad"].map(text_id);
    let [agreed, dirty, deleted, new, unreadable, bad] = &ids;
    for id in [agreed, dirty, deleted, unreadable] {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench.update(&STOCK, dirty, &[("note", text("late"))]).await;
    bench.delete(&STOCK, deleted).await;
    bench.insert(&STOCK, new, &stock("b1", "rice", 1)).await;
    for id in [unreadable, bad] {
        bench.store.put(&STOCK, id, &stock("b1", "tea", 5));
        bench.store.set(&STOCK, id, "quantity", "many");
        bench.pull(&STOCK, id).await;
    }
    let found = digest(&bench, &STOCK).await;
    assert_eq!(found.rows, 1);
    let left_out = [dirty, deleted, new, unreadable, bad].map(IdHash::of);
    assert_eq!(found.skipped, HashSet::from(left_out));
    assert_eq!(audited(&bench, &STOCK).await, std::slice::from_ref(agreed));

    let orphan = item_id("nobody", 1);
    bench.store.put(&ORDER_ITEM, &orphan, &item("tea", 1));
    bench.pull(&ORDER_ITEM, &orphan).await;
    let found = digest(&bench, &ORDER_ITEM).await;
    assert_eq!((found.rows, found.skipped), (0, [IdHash::of(&orphan)].into()));

    let kept = text_id("kept");
    bench.agree(&ORDER, &kept, &order("ann", 1.0)).await;
    bench.scopes.set(&ORDER, super::scope::customer("bob"));
    bench.pull(&ORDER, &kept).await;
    let found = digest(&bench, &ORDER).await;
    assert_eq!((found.rows, found.skipped), (0, [IdHash::of(&kept)].into()));
}

/// A row changed behind the triggers' back, and one deleted so, differ in their buckets and in no other.
pub async fn a_change_that_no_trigger_saw_shows_in_its_bucket<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let expected = agree_on_many(&mut bench).await;
    let (changed, deleted) = (text_id("row-7"), text_id("row-9"));
    let change = AppChange::update(&STOCK, &changed, &[("note", text("unseen"))]);
    unseen(&mut bench, change).await;
    unseen(&mut bench, AppChange::delete(&STOCK, &deleted)).await;
    let found = digest(&bench, &STOCK).await;
    assert_eq!((found.rows, found.skipped.len()), (39, 0));
    let differing = found.digest.differing(&expected);
    let buckets = [&changed, &deleted].map(|id| bucket_of(IdHash::of(id), BUCKETS));
    assert_eq!(differing, HashSet::from(buckets));
    let rows = bench.repository.audited(&STOCK, (&differing, BUCKETS)).await;
    let rows = rows.expect("rows are listed");
    let odd: Vec<_> = rows.iter().filter(|row| row.known != Some(row.hash)).collect();
    assert_eq!(odd.len(), 1, "{odd:?}");
    assert_eq!((&odd[0].id, &odd[0].image[4]), (&changed, &text("unseen")));
    assert!(rows.iter().all(|row| row.id != deleted));
    let trace = bench
        .repository
        .trace(&RowRef {
            model: &STOCK,
            id: deleted,
        })
        .await
        .expect("a row is traced");
    assert!(
        !trace.exists && trace.known.is_some(),
        "a row that is gone unseen is still known: {trace:?}"
    );
}

/// A row that is forgotten takes its document, changed or deleted as it may be; what it held is reported. Nothing is sent.
pub async fn what_is_forgotten_takes_its_document_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (changed, deleted) = (text_id("row-7"), text_id("row-9"));
    let expected = agree_on_many(&mut bench).await;
    let change = AppChange::update(&STOCK, &changed, &[("note", text("unseen"))]);
    unseen(&mut bench, change).await;
    unseen(&mut bench, AppChange::delete(&STOCK, &deleted)).await;
    let rows = [changed, deleted].map(|id| RowRef { model: &STOCK, id });
    bench.repository.forget(&rows).await.expect("they are forgotten");
    let applied = bench.pull_rows(&rows).await;
    assert_eq!(applied.changed.len(), 2);
    let kinds: Vec<_> = applied.conflicts.iter().map(|conflict| conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::LocalReplacedByAdoption]);
    assert_eq!(digest(&bench, &STOCK).await.digest, expected);
    bench.assert_nothing_to_send().await;
}

/// A change of the app that was captured meanwhile is sent, as the patch it is.
pub async fn a_dirty_row_is_not_forgotten<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("note", text("late"))]).await;
    let row = RowRef { model: &STOCK, id };
    bench.repository.forget(&[row]).await.expect("it is answered");
    let (intent, operation) = bench.only_operation().await;
    assert!(matches!(operation.action, Action::Patch { .. }), "{operation:?}");
    bench.settle(&intent).await;
}

async fn agree_on_many<F: RepositoryFixture>(bench: &mut Bench<F>) -> Digest {
    let mut documents = Digest::new(BUCKETS);
    for number in 0..40 {
        let (id, image) = (text_id(&format!("row-{number}")), stock("b1", "tea", number));
        bench.agree(&STOCK, &id, &image).await;
        documents.add(IdHash::of(&id), ContentHash::of(&STOCK, &image));
    }
    documents
}

async fn digest<F: RepositoryFixture>(bench: &Bench<F>, model: &'static ModelDescriptor) -> RowDigest {
    bench
        .repository
        .digest(model, BUCKETS)
        .await
        .expect("rows are summed up")
}

async fn audited<F: RepositoryFixture>(bench: &Bench<F>, model: &'static ModelDescriptor) -> Vec<DocumentId> {
    let all: HashSet<_> = (0..BUCKETS).collect();
    let rows = bench.repository.audited(model, (&all, BUCKETS)).await;
    rows.expect("rows are listed")
        .into_iter()
        .map(|row| row.id)
        .collect()
}

async fn unseen<F: RepositoryFixture>(bench: &mut Bench<F>, change: AppChange) {
    let done = bench.fixture.change_unseen(change).await;
    done.expect("the database takes it");
}
