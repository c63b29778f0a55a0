//! Documents that meet the constraints of the tables: order, parking, cascades.

use ditto_sync_core::{descriptor::ModelDescriptor, id::DocumentId, intent::Action, repository::RowRef};

use super::models::{CATEGORY, ORDER, ORDER_ITEM, category, item, item_id, order, text_id};
use super::{RepositoryFixture, bench::Bench};

/// In one batch the order of the documents does not matter.
pub async fn children_come_before_their_parents_in_one_batch<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    put_order(&mut bench);
    let rows = [
        row(&ORDER_ITEM, item_id("o1", 1)),
        row(&ORDER_ITEM, item_id("o1", 2)),
        row(&ORDER, text_id("o1")),
    ];
    let applied = bench.pull_marked(&rows, &[], 1).await;
    assert_eq!(applied.parked, Vec::new());
    assert_eq!(applied.changed.len(), 3);
    assert_eq!(bench.fixture.rows(&ORDER_ITEM).await.len(), 2);
    bench.assert_nothing_to_send().await;
}

/// A child without its parent is parked: visible, durable, no error; it is applied when the parent has come.
pub async fn an_orphan_waits_for_its_parent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    put_order(&mut bench);
    let child = row(&ORDER_ITEM, item_id("o1", 1));
    let applied = bench.pull_rows(std::slice::from_ref(&child)).await;
    assert_eq!((applied.changed.len(), applied.quarantined.len()), (0, 0));
    assert_eq!(applied.parked, vec![child.clone()]);
    assert_eq!(bench.fixture.rows(&ORDER_ITEM).await.len(), 0);
    let before = bench.fixture.writes().await;
    bench.pull_rows(std::slice::from_ref(&child)).await;
    assert_eq!(bench.fixture.writes().await, before, "the same again is no news");
    let mut bench = bench.crash().await;
    assert_eq!(bench.parked().await, vec![child]);
    assert_eq!(bench.pending(&ORDER_ITEM).await.parked, 1);
    bench.pull(&ORDER, &text_id("o1")).await;
    bench.retry_parked().await;
    assert_eq!(
        bench.row(&ORDER_ITEM, &item_id("o1", 1)).await,
        Some(item("tea", 1))
    );
    assert_eq!(bench.parked().await, Vec::new());
    assert_eq!(bench.pending(&ORDER_ITEM).await.parked, 0);
    bench
        .assert_agreed(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 1))
        .await;
}

/// What is applied beside an orphan is applied.
pub async fn an_orphan_does_not_hold_its_neighbours<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    put_order(&mut bench);
    let stray = item_id("nobody", 1);
    bench.store.put(&ORDER_ITEM, &stray, &item("stray", 1));
    let rows = [
        row(&ORDER_ITEM, stray.clone()),
        row(&ORDER_ITEM, item_id("o1", 1)),
        row(&ORDER, text_id("o1")),
    ];
    let applied = bench.pull_rows(&rows).await;
    assert_eq!(applied.changed.len(), 2);
    assert_eq!(applied.parked, vec![row(&ORDER_ITEM, stray)]);
}

/// A parked document that was deleted is not waited for.
pub async fn a_parked_document_that_went_away_waits_no_longer<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    put_order(&mut bench);
    let id = item_id("o1", 1);
    bench.pull(&ORDER_ITEM, &id).await;
    assert_eq!(bench.parked().await.len(), 1);
    bench.store.delete(&ORDER_ITEM, &id);
    bench.retry_parked().await;
    assert_eq!(bench.parked().await, Vec::new());
    bench.assert_nothing_to_send().await;
}

/// A remote delete of a parent takes its children by the app's own cascade; that is a local change, and is sent.
pub async fn a_remote_delete_cascades_as_local_changes<F: RepositoryFixture>(fixture: F) {
    let mut bench = with_order(fixture).await;
    bench.store.delete(&ORDER, &text_id("o1"));
    bench.pull(&ORDER, &text_id("o1")).await;
    assert_eq!(bench.fixture.rows(&ORDER).await.len(), 0);
    assert_eq!(bench.fixture.rows(&ORDER_ITEM).await.len(), 0);
    let sent = bench.push().await;
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(
        |operation| operation.model.collection() == ORDER_ITEM.collection()
            && operation.action == Action::Delete
    ));
    bench.assert_nothing_to_send().await;
}

/// Deleted in one batch, in whatever order they come, parents and children are just gone.
pub async fn parents_and_children_are_deleted_in_one_batch<F: RepositoryFixture>(fixture: F) {
    let mut bench = with_order(fixture).await;
    let rows = [
        row(&ORDER, text_id("o1")),
        row(&ORDER_ITEM, item_id("o1", 1)),
        row(&ORDER_ITEM, item_id("o1", 2)),
    ];
    for row in &rows {
        bench.store.delete(row.model, &row.id);
    }
    bench.pull_rows(&rows).await;
    assert_eq!(bench.fixture.rows(&ORDER).await.len(), 0);
    assert_eq!(bench.fixture.rows(&ORDER_ITEM).await.len(), 0);
    bench.assert_nothing_to_send().await;
}

/// A row with the same UNIQUE value stands in the way of a document: that document waits, visibly, and nothing else does.
pub async fn a_row_in_the_way_holds_only_its_document<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let [ours, theirs, other] = [1, 2, 3].map(DocumentId::integer);
    bench.agree(&CATEGORY, &ours, &category("food")).await;
    bench.store.put(&CATEGORY, &theirs, &category("food"));
    bench.store.put(&CATEGORY, &other, &category("tools"));
    let rows = [row(&CATEGORY, theirs.clone()), row(&CATEGORY, other.clone())];
    let applied = bench.pull_rows(&rows).await;
    assert_eq!(applied.changed, vec![row(&CATEGORY, other)]);
    let pending = bench.pending(&CATEGORY).await;
    assert_eq!(
        pending.parked + pending.quarantined,
        1,
        "it is kept, and visible: {pending:?}"
    );
    assert_eq!(bench.row(&CATEGORY, &theirs).await, None);
    bench.store.put(&CATEGORY, &ours, &category("groceries"));
    bench.pull(&CATEGORY, &ours).await;
    bench.pull(&CATEGORY, &theirs).await;
    assert_eq!(bench.row(&CATEGORY, &theirs).await, Some(category("food")));
    let pending = bench.pending(&CATEGORY).await;
    assert_eq!((pending.parked, pending.quarantined), (0, 0));
    bench.assert_nothing_to_send().await;
}

fn put_order<F: RepositoryFixture>(bench: &mut Bench<F>) {
    bench.store.put(&ORDER, &text_id("o1"), &order("ann", 10.0));
    bench.store.put(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 1));
    bench.store.put(&ORDER_ITEM, &item_id("o1", 2), &item("rice", 2));
}

async fn with_order<F: RepositoryFixture>(fixture: F) -> Bench<F> {
    let mut bench = Bench::new(fixture).await;
    put_order(&mut bench);
    let rows = [
        row(&ORDER, text_id("o1")),
        row(&ORDER_ITEM, item_id("o1", 1)),
        row(&ORDER_ITEM, item_id("o1", 2)),
    ];
    bench.pull_rows(&rows).await;
    assert_eq!(bench.fixture.rows(&ORDER_ITEM).await.len(), 2);
    bench
}

fn row(model: &'static ModelDescriptor, id: DocumentId) -> RowRef {
    RowRef { model, id }
}
