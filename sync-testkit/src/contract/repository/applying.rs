//! What an apply does to clean rows, and what holds for every batch.

use ditto_sync_core::{
    id::{DocumentId, IdList},
    query::Query,
    repository::{Mark, Repository, RowRef, Way},
    store::{Cursor, Frontier, StoreId},
};

use super::models::{CATEGORY, ORDER_ITEM, STOCK, category, item, item_id, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

/// A document that this device has never met becomes a row, and both agree from then on.
pub async fn a_new_document_becomes_a_row<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.store.put(&STOCK, &id, &image);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.changed, vec![stock_row(&id)]);
    assert_eq!(bench.row(&STOCK, &id).await, Some(image.clone()));
    bench.assert_agreed(&STOCK, &id, &image).await;
}

/// A clean row takes the document as it is, fields and counter alike.
pub async fn a_changed_document_changes_a_clean_row<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    let changed = stock("b1", "mint", 2);
    bench.store.put(&STOCK, &id, &changed);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.changed, vec![stock_row(&id)]);
    assert!(applied.conflicts.is_empty());
    assert_eq!(bench.row(&STOCK, &id).await, Some(changed.clone()));
    bench.assert_agreed(&STOCK, &id, &changed).await;
}

/// An echo costs no write, also beside unknown fields, which are none of our business.
pub async fn a_known_document_writes_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.push().await;
    bench.store.set(&STOCK, &id, "unknownToUs", true);
    let before = bench.fixture.writes().await;
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(
        (applied.unchanged, applied.changed.len(), applied.transactions),
        (1, 0, 0)
    );
    assert_eq!(bench.fixture.writes().await, before);
}

/// A clean row goes with its document.
pub async fn a_deleted_document_deletes_a_clean_row<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.store.delete(&STOCK, &id);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.changed, vec![stock_row(&id)]);
    assert_eq!(bench.row(&STOCK, &id).await, None);
    bench.assert_nothing_to_send().await;
    bench.insert(&STOCK, &id, &stock("b1", "rice", 1)).await;
    bench.push().await;
    assert!(
        bench.store.get(&STOCK, &id).is_some(),
        "the id is free for a new row"
    );
}

/// Absence is a delete only of what was known.
pub async fn an_absent_document_that_was_never_known_says_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &image).await;
    let before = bench.fixture.writes().await;
    bench.pull(&STOCK, &id).await;
    bench.pull(&STOCK, &text_id("nobody")).await;
    assert_eq!(bench.fixture.writes().await, before);
    assert_eq!(bench.row(&STOCK, &id).await, Some(image));
    assert_eq!(bench.push().await.len(), 1, "the row is still to be sent");
}

/// Of several documents of one id in a batch the last one counts.
pub async fn the_last_of_several_documents_of_one_id_counts<F: RepositoryFixture>(fixture: F) {
    let bench = Bench::new(fixture).await;
    let id = text_id("s1");
    let item = |image| {
        let document = STOCK.document_of(&id, &image).expect("it can be sent");
        ditto_sync_core::repository::InboundItem::new(&STOCK, id.clone(), Some(document), &bench.scopes)
    };
    let last = stock("b1", "rice", 3);
    let items = [
        item(stock("b1", "tea", 1)),
        item(stock("b1", "mint", 2)),
        item(last.clone()),
    ];
    bench.apply(&items, &[], 2).await;
    let mut bench = bench;
    assert_eq!(bench.row(&STOCK, &id).await, Some(last.clone()));
    bench.assert_agreed(&STOCK, &id, &last).await;
}

/// Marks are there after a crash, and setting the same ones again writes nothing.
pub async fn marks_are_durable_with_the_batch<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.store.put(&STOCK, &id, &stock("b1", "tea", 5));
    let marks = [
        Mark::Cursor(STOCK.collection(), Some(Cursor(vec![1, 2, 3]))),
        Mark::Reconciled(STOCK.collection(), Some(Query::all())),
        Mark::Store(StoreId("the store".into()), Some(Frontier(vec![4, 5]))),
        Mark::AwaitPeer(true),
    ];
    let row = stock_row(&id);
    bench
        .pull_marked(std::slice::from_ref(&row), &marks[..2], 100)
        .await;
    bench.repository.mark(&marks[2..]).await.expect("marks are set");
    let mut bench = bench.crash().await;
    let at = super::models::MODELS
        .iter()
        .position(|model| model.collection() == STOCK.collection())
        .expect("the model is prepared");
    assert_eq!(bench.state.models[at].cursor, Some(Cursor(vec![1, 2, 3])));
    assert_eq!(bench.state.models[at].reconciled, Some(Query::all()));
    assert_eq!(bench.state.store, Some(StoreId("the store".into())));
    assert_eq!(bench.state.frontier, Some(Frontier(vec![4, 5])));
    assert!(bench.state.await_peer);
    let before = bench.fixture.writes().await;
    bench.pull_marked(&[row], &marks[..2], 100).await;
    bench.repository.mark(&marks[2..]).await.expect("marks are set");
    assert_eq!(bench.fixture.writes().await, before, "nothing has changed");
    let gone = [Mark::Reconciled(STOCK.collection(), None), Mark::AwaitPeer(false)];
    bench.repository.mark(&gone).await.expect("marks are set");
    let bench = bench.crash().await;
    assert_eq!(bench.state.models[at].reconciled, None);
    assert!(!bench.state.await_peer);
}

/// A batch is split as asked, and all of it arrives, with its marks.
pub async fn a_batch_may_take_several_transactions<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let rows: Vec<_> = (0..10).map(|at| stock_row(&text_id(&format!("s{at}")))).collect();
    for row in &rows {
        bench.store.put(&STOCK, &row.id, &stock("b1", "tea", 5));
    }
    let mark = Mark::Cursor(STOCK.collection(), Some(Cursor(vec![9])));
    let applied = bench.pull_marked(&rows, &[mark], 3).await;
    assert_eq!(applied.changed.len(), rows.len());
    assert!(
        applied.transactions >= 4,
        "at most three rows each: {}",
        applied.transactions
    );
    assert_eq!(bench.fixture.rows(&STOCK).await.len(), rows.len());
    let bench = bench.crash().await;
    assert!(
        bench
            .state
            .models
            .iter()
            .any(|model| model.cursor == Some(Cursor(vec![9])))
    );
}

/// One document that is no row is set aside, with the field's name; its neighbours are applied; a readable one of the same id ends it.
pub async fn an_unreadable_document_is_set_aside_alone<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let ids = [text_id("s1"), text_id("s2"), text_id("s3")];
    for id in &ids {
        bench.store.put(&STOCK, id, &stock("b1", "tea", 5));
    }
    bench.store.set(&STOCK, &ids[1], "quantity", "many");
    let rows: Vec<_> = ids.iter().map(stock_row).collect();
    let applied = bench.pull_rows(&rows).await;
    assert_eq!(applied.changed.len(), 2);
    assert_eq!(applied.quarantined.len(), 1, "{:?}", applied.quarantined);
    let record = &applied.quarantined[0];
    assert_eq!((record.id.as_ref(), record.way), (Some(&ids[1]), Way::Inbound));
    assert!(
        record.reason.contains("quantity"),
        "the field is named: {}",
        record.reason
    );
    assert_eq!(bench.fixture.rows(&STOCK).await.len(), 2);
    assert_eq!(bench.pending(&STOCK).await.quarantined, 1);
    let before = bench.fixture.writes().await;
    bench.pull_rows(&rows).await;
    assert_eq!(bench.fixture.writes().await, before, "the same again is no news");
    bench.store.set(&STOCK, &ids[1], "quantity", 4);
    bench.pull_rows(&rows).await;
    assert_eq!(bench.row(&STOCK, &ids[1]).await, Some(stock("b1", "tea", 4)));
    assert_eq!(bench.pending(&STOCK).await.quarantined, 0);
}

/// A dirty row whose document cannot be read would be refused as stale for ever: it waits until the document is mended.
pub async fn an_unreadable_document_does_not_make_its_row_go_round<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench.store.set(&STOCK, &id, "quantity", "many");
    bench.pull(&STOCK, &id).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(bench.pending(&STOCK).await.entries, 1, "the change is not lost");
    bench.store.set(&STOCK, &id, "quantity", 7);
    bench.pull(&STOCK, &id).await;
    bench.push().await;
    let merged = stock("b1", "mint", 7);
    assert_eq!(bench.store.image(&STOCK, &id), Some(merged.clone()));
    assert_eq!(bench.row(&STOCK, &id).await, Some(merged));
}

/// What is applied is never captured.
pub async fn applied_rows_are_not_local_changes<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let ids = [text_id("s1"), text_id("s2")];
    for id in &ids {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench.store.put(&STOCK, &ids[0], &stock("b1", "mint", 1));
    bench.store.delete(&STOCK, &ids[1]);
    bench.pull_rows(&[stock_row(&ids[0]), stock_row(&ids[1])]).await;
    assert_eq!(bench.pending(&STOCK).await.entries, 0);
    bench.assert_nothing_to_send().await;
}

/// Reconciling looks at what the store does not list: rows, and known documents whose rows are gone.
pub async fn unseen_lists_rows_and_known_documents<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (seen, clean, new, deleted) = (
        text_id("seen"),
        text_id("clean"),
        text_id("new"),
        text_id("deleted"),
    );
    for id in [&seen, &clean, &deleted] {
        bench.agree(&STOCK, id, &stock("b1", "tea", 5)).await;
    }
    bench.insert(&STOCK, &new, &stock("b1", "tea", 5)).await;
    bench.delete(&STOCK, &deleted).await;
    let known_to_store: IdList = [seen].into_iter().collect();
    let unseen = bench.repository.unseen(&STOCK, &known_to_store).await;
    let mut unseen: Vec<_> = unseen.expect("they are listed").into_iter().collect();
    unseen.sort();
    assert_eq!(unseen, [clean, deleted, new]);
    let others = bench.repository.unseen(&CATEGORY, &IdList::new()).await;
    assert!(others.expect("they are listed").is_empty());
}

/// A document in quarantine that was deleted while nobody watched: a reconcile has to look at it, and then nothing of it is left.
pub async fn unseen_lists_documents_that_did_not_come_in<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (unreadable, orphan) = (text_id("unreadable"), item_id("nobody", 1));
    bench.store.put(&STOCK, &unreadable, &stock("b1", "tea", 5));
    bench.store.set(&STOCK, &unreadable, "quantity", "many");
    bench.store.put(&ORDER_ITEM, &orphan, &item("tea", 1));
    bench.pull(&STOCK, &unreadable).await;
    bench.pull(&ORDER_ITEM, &orphan).await;
    assert_eq!(bench.pending(&STOCK).await.quarantined, 1);
    assert_eq!(bench.pending(&ORDER_ITEM).await.parked, 1);
    for (model, id) in [(&STOCK, unreadable), (&ORDER_ITEM, orphan)] {
        let unseen = bench.repository.unseen(model, &IdList::new()).await;
        let unseen = unseen.expect("they are listed");
        assert_eq!(unseen.iter().collect::<Vec<_>>(), std::slice::from_ref(&id));
        bench.store.delete(model, &id);
        bench.pull(model, &id).await;
        let counts = bench.pending(model).await;
        assert_eq!((counts.parked, counts.quarantined), (0, 0));
        let unseen = bench.repository.unseen(model, &IdList::new()).await;
        assert!(unseen.expect("they are listed").is_empty());
    }
}

/// Every prepared model is counted, each change once.
pub async fn pending_counts_by_collection<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench
        .insert(&CATEGORY, &DocumentId::integer(1), &category("food"))
        .await;
    let counts = bench.repository.pending().await.expect("they are counted");
    assert_eq!(counts.len(), super::models::MODELS.len());
    assert_eq!(bench.pending(&STOCK).await.entries, 2);
    assert_eq!(bench.pending(&CATEGORY).await.entries, 1);
    bench.push().await;
    let counts = bench.repository.pending().await.expect("they are counted");
    assert!(counts.iter().all(|count| count.entries == 0));
}

fn stock_row(id: &DocumentId) -> RowRef {
    RowRef {
        model: &STOCK,
        id: id.clone(),
    }
}
