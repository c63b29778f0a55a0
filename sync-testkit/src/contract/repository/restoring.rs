//! Rows from a backup: what is missing comes back, what is there stays.

use ditto_sync_core::{
    column::ColumnValue,
    repository::{InboundItem, Repository, Restored},
    scope::Scopes,
};

use super::models::{
    CATEGORY, ORDER, ORDER_ITEM, STOCK, category, item, item_id, order, stock, text, text_id,
};
use super::{RepositoryFixture, bench::Bench};

/// A missing row comes back as its document says, and is nothing to send, now or after a crash.
pub async fn a_missing_row_is_restored_and_not_sent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.store.put(&STOCK, &id, &stock("b1", "tea", 5));
    assert_eq!(restore(&bench, &[(&STOCK, &id)], false).await, [Restored::Done]);
    let row = stock("b1", "tea", 5);
    assert_eq!(bench.row(&STOCK, &id).await, Some(row.clone()));
    bench.assert_agreed(&STOCK, &id, &row).await;
    let mut bench = bench.crash().await;
    bench.assert_agreed(&STOCK, &id, &row).await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(3))])
        .await;
    let sent = bench.push().await;
    assert_eq!(sent.len(), 1, "later changes go out as ever: {sent:?}");
}

/// Rows that are there, clean or dirty, and rows deleted here, are left alone.
pub async fn what_is_there_is_left_alone<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let ids = ["same", "other", "dirty", "gone", "sent"].map(text_id);
    let [same, other, dirty, gone, sent] = &ids;
    for id in [same, dirty, gone, sent] {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench.insert(&STOCK, other, &stock("b1", "mine", 1)).await;
    bench.store.put(&STOCK, other, &stock("b1", "tea", 5));
    bench.update(&STOCK, dirty, &[("product", text("mine"))]).await;
    bench.delete(&STOCK, gone).await;
    let rows: Vec<_> = ids.iter().map(|id| (&STOCK, id)).collect();
    let expected = [
        Restored::Present,
        Restored::Differs,
        Restored::Differs,
        Restored::Deleted,
        Restored::Present,
    ];
    let before = bench.fixture.rows(&STOCK).await;
    assert_eq!(restore(&bench, &rows, false).await, expected);
    assert_eq!(bench.fixture.rows(&STOCK).await, before);
    assert!(
        bench.pending(&STOCK).await.entries > 0,
        "what is unsent stays unsent"
    );
}

/// Children and parents in one call, in any order; a child without its parent is refused, with the reason, and is not parked.
pub async fn restored_children_find_their_parents<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (parent, child, orphan) = (text_id("o1"), item_id("o1", 1), item_id("o2", 1));
    bench.store.put(&ORDER, &parent, &order("ann", 1.0));
    bench.store.put(&ORDER_ITEM, &child, &item("tea", 1));
    bench.store.put(&ORDER_ITEM, &orphan, &item("tea", 1));
    let rows = [(&ORDER_ITEM, &child), (&ORDER_ITEM, &orphan), (&ORDER, &parent)];
    let outcomes = restore(&bench, &rows, false).await;
    assert_eq!((&outcomes[0], &outcomes[2]), (&Restored::Done, &Restored::Done));
    assert!(matches!(outcomes[1], Restored::Refused(_)), "{outcomes:?}");
    assert_eq!(bench.row(&ORDER_ITEM, &child).await, Some(item("tea", 1)));
    assert_eq!(bench.parked().await.len(), 0);
}

/// What a constraint or a field refuses is told, and holds no neighbour.
pub async fn a_document_that_does_not_fit_is_told_alone<F: RepositoryFixture>(fixture: F) {
    use ditto_sync_core::id::DocumentId;
    let mut bench = Bench::new(fixture).await;
    let (taken, double, fine) = (
        DocumentId::integer(1),
        DocumentId::integer(2),
        DocumentId::integer(3),
    );
    bench.insert(&CATEGORY, &taken, &category("food")).await;
    bench.store.put(&CATEGORY, &double, &category("food"));
    bench.store.put(&CATEGORY, &fine, &category("drink"));
    let broken = text_id("s1");
    bench.store.put(&STOCK, &broken, &stock("b1", "tea", 5));
    bench.store.set(&STOCK, &broken, "quantity", "many");
    let rows = [(&CATEGORY, &double), (&CATEGORY, &fine), (&STOCK, &broken)];
    let outcomes = restore(&bench, &rows, false).await;
    assert!(matches!(&outcomes[0], Restored::Refused(_)), "{outcomes:?}");
    assert_eq!(outcomes[1], Restored::Done);
    assert!(
        matches!(&outcomes[2], Restored::Refused(reason) if reason.contains("quantity")),
        "{outcomes:?}"
    );
    assert_eq!(
        bench.repository.quarantine().await.expect("it is listed").len(),
        0
    );
}

/// A dry run tells the same, and changes nothing.
pub async fn a_dry_restore_changes_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (parent, child, orphan) = (text_id("o1"), item_id("o1", 1), item_id("o2", 1));
    bench.store.put(&ORDER, &parent, &order("ann", 1.0));
    bench.store.put(&ORDER_ITEM, &child, &item("tea", 1));
    bench.store.put(&ORDER_ITEM, &orphan, &item("tea", 1));
    let rows = [(&ORDER_ITEM, &child), (&ORDER_ITEM, &orphan), (&ORDER, &parent)];
    let writes = bench.fixture.writes().await;
    let dry = restore(&bench, &rows, true).await;
    assert_eq!(bench.fixture.writes().await, writes, "a dry run writes nothing");
    assert_eq!(bench.row(&ORDER, &parent).await, None);
    bench.assert_nothing_to_send().await;
    assert_eq!(restore(&bench, &rows, false).await, dry, "and told what happens");
}

async fn restore<F: RepositoryFixture>(
    bench: &Bench<F>,
    rows: &[(
        &'static ditto_sync_core::descriptor::ModelDescriptor,
        &ditto_sync_core::id::DocumentId,
    )],
    dry_run: bool,
) -> Vec<Restored> {
    let items: Vec<_> = rows
        .iter()
        .map(|(model, id)| {
            let document = bench.store.get(model, id).cloned();
            InboundItem::new(model, (*id).clone(), document, &Scopes::everything())
        })
        .collect();
    bench
        .repository
        .restore(&items, dry_run)
        .await
        .expect("rows are restored")
}
