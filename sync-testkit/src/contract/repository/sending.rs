//! What a draft makes of local changes: one case for each row of the table of `merge::outbound`, and the bounds of a draft.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Expect, Operation},
    repository::Way,
    value::Value,
};

use super::models::{
    CATEGORY, ORDER, ORDER_ITEM, STOCK, category, item, item_id, order, stock, text, text_id,
};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

/// A new row is sent whole, against an absent document; once it is acknowledged, row and document agree.
pub async fn an_insert_is_sent_whole<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.insert(&STOCK, &id, &image).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(intent.batch.replica, bench.state.replica);
    assert_eq!((operation.model.collection(), &operation.id), ("stocks", &id));
    assert_eq!(operation.expect, Expect::Absent);
    let document = STOCK.document_of(&id, &image).expect("it can be sent");
    assert_eq!(operation.action, Action::Insert(document));
    assert_eq!(operation.record.sent, Some(ContentHash::of(&STOCK, &image)));
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &image).await;
}

/// An update is sent as the fields that differ from the base, and nothing of what stayed the same.
pub async fn an_update_is_sent_as_the_fields_that_differ<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, base) = with_agreed_stock(fixture).await;
    let changes = [("product", text("mint")), ("price", ColumnValue::Real(2.5))];
    bench.update(&STOCK, &id, &changes).await;
    bench.update(&STOCK, &id, &[("note", text("new"))]).await;
    bench.update(&STOCK, &id, &[("note", ColumnValue::Null)]).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &base)));
    let set = vec![
        ("product".into(), Value::Text("mint".into())),
        ("price".into(), Value::Float(2.5)),
    ];
    assert_eq!(
        operation.action,
        Action::Patch {
            set,
            increments: Vec::new()
        }
    );
    bench.settle(&intent).await;
    let row = bench.row(&STOCK, &id).await.expect("the row is there");
    bench.assert_agreed(&STOCK, &id, &row).await;
}

/// A counter is sent as what it grew by, however it was set.
pub async fn a_counter_is_sent_as_its_increment<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, _) = with_agreed_stock(fixture).await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(4))])
        .await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(2))])
        .await;
    let (_, operation) = bench.only_operation().await;
    let increments = vec![("quantity".into(), -3)];
    assert_eq!(
        operation.action,
        Action::Patch {
            set: Vec::new(),
            increments
        }
    );
}

/// A delete expects the document as it was last agreed on.
pub async fn a_delete_is_sent_against_its_base<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, base) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench.delete(&STOCK, &id).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.action, Action::Delete);
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &base)));
    assert_eq!(operation.record.sent, None);
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(bench.store.get(&STOCK, &id), None);
}

/// The outbox keeps the kind of each change: delete and insert is a new write of every field, not a patch.
pub async fn a_row_deleted_and_inserted_again_is_a_new_insert<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, base) = with_agreed_stock(fixture).await;
    let again = stock("b1", "tea", 9);
    let both = vec![
        AppChange::delete(&STOCK, &id),
        AppChange::insert(&STOCK, &id, &again),
    ];
    bench.change(AppChange::Transaction(both)).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &base)));
    let document = STOCK.document_of(&id, &again).expect("it can be sent");
    assert_eq!(operation.action, Action::Insert(document));
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &again).await;
}

/// `INSERT OR REPLACE` and upsert over an existing row are updates of it; over nothing they are inserts.
pub async fn replace_and_upsert_over_a_row_are_updates<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, _) = with_agreed_stock(fixture).await;
    let mint = stock("b1", "mint", 7);
    bench.change(AppChange::replace(&STOCK, &id, &mint)).await;
    let (intent, operation) = bench.only_operation().await;
    let patch = |product: &str, increment| Action::Patch {
        set: vec![("product".into(), Value::Text(product.into()))],
        increments: vec![("quantity".into(), increment)],
    };
    assert_eq!(operation.action, patch("mint", 2));
    bench.settle(&intent).await;
    bench
        .change(AppChange::upsert(&STOCK, &id, &stock("b1", "rice", 6)))
        .await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.action, patch("rice", -1));
    bench.settle(&intent).await;
    let other = text_id("s2");
    bench.change(AppChange::replace(&STOCK, &other, &mint)).await;
    let (_, operation) = bench.only_operation().await;
    assert!(matches!(operation.action, Action::Insert(_)));
}

/// Changed and changed back: the entries are dropped, and the row is clean.
pub async fn a_change_taken_back_sends_nothing<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, base) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench.update(&STOCK, &id, &[("product", text("tea"))]).await;
    let draft = bench.draft().await;
    assert_eq!((draft.intent, draft.dropped), (None, 1));
    bench.assert_agreed(&STOCK, &id, &base).await;
}

/// A row that no store has met and that is gone again leaves nothing.
pub async fn a_row_inserted_and_deleted_sends_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    bench.insert(&STOCK, &id, &stock("b1", "tea", 5)).await;
    bench.delete(&STOCK, &id).await;
    let draft = bench.draft().await;
    assert_eq!((draft.intent, draft.dropped), (None, 1));
    bench.assert_nothing_to_send().await;
    assert_eq!(bench.pending(&STOCK).await.entries, 0);
}

/// A draft without work costs no write.
pub async fn nothing_to_send_writes_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.assert_nothing_to_send().await;
}

/// A row that was there before the triggers is sent as a seed, and only when seeds are asked for.
pub async fn a_row_older_than_the_triggers_is_seeded_when_asked<F: RepositoryFixture>(mut fixture: F) {
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    let change = AppChange::insert(&STOCK, &id, &image);
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    assert_eq!(bench.draft_of(10, false).await.intent, None);
    let (intent, operation) = bench.only_operation().await;
    assert_seed(&operation, &id, &image);
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &image).await;
}

/// A row that changed before it was ever agreed on: its OLD image is seeded, covering nothing, and the change follows as a patch.
pub async fn a_changed_row_without_a_base_is_seeded_with_its_old_image<F: RepositoryFixture>(mut fixture: F) {
    let (id, old) = (text_id("s1"), stock("b1", "tea", 5));
    let change = AppChange::insert(&STOCK, &id, &old);
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(4))])
        .await;
    let (intent, operation) = bench.only_operation().await;
    assert_seed(&operation, &id, &old);
    bench.settle(&intent).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Hash(ContentHash::of(&STOCK, &old)));
    let increments = vec![("quantity".into(), -1)];
    assert_eq!(
        operation.action,
        Action::Patch {
            set: Vec::new(),
            increments
        }
    );
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &stock("b1", "tea", 4)).await;
}

/// A draft takes no more than it is asked for and says that there is more; nothing is sent twice or left behind.
pub async fn an_intent_has_at_most_the_operations_asked_for<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    for at in 0..5 {
        bench
            .insert(&STOCK, &text_id(&format!("s{at}")), &stock("b1", "tea", at))
            .await;
    }
    let mut sent = Vec::new();
    for (count, more) in [(2, true), (2, true), (1, false)] {
        let draft = bench.draft_of(2, false).await;
        let intent = draft.intent.expect("there is something to send");
        assert_eq!((intent.operations.len(), draft.more), (count, more));
        bench.settle(&intent).await;
        sent.extend(intent.operations.into_iter().map(|operation| operation.id));
    }
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 5);
    bench.assert_nothing_to_send().await;
}

/// Ids of all kinds come back as they were.
pub async fn composite_and_integer_ids_are_sent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (number, composite) = (DocumentId::integer(-7), item_id("o1", 3));
    bench.insert(&CATEGORY, &number, &category("food")).await;
    bench.insert(&ORDER, &text_id("o1"), &order("ann", 10.5)).await;
    bench.insert(&ORDER_ITEM, &composite, &item("tea", 2)).await;
    bench.push().await;
    assert_eq!(bench.store.image(&CATEGORY, &number), Some(category("food")));
    assert_eq!(bench.store.image(&ORDER_ITEM, &composite), Some(item("tea", 2)));
    bench.delete(&ORDER_ITEM, &composite).await;
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(
        (operation.id.clone(), operation.action),
        (composite, Action::Delete)
    );
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
}

/// Rows of several tables go out together.
pub async fn several_tables_are_sent_in_one_intent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let rows = vec![
        AppChange::insert(&ORDER, &text_id("o1"), &order("ann", 10.0)),
        AppChange::insert(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 2)),
        AppChange::insert(&CATEGORY, &DocumentId::integer(1), &category("food")),
        AppChange::insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)),
    ];
    bench.change(AppChange::Transaction(rows)).await;
    let intent = bench.intent().await;
    let mut collections: Vec<_> = intent
        .operations
        .iter()
        .map(|operation| operation.model.collection())
        .collect();
    collections.sort_unstable();
    let mut expected = [&ORDER, &ORDER_ITEM, &CATEGORY, &STOCK].map(|model| model.collection());
    expected.sort_unstable();
    assert_eq!(collections, expected);
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
}

/// What the app rolls back was never there.
pub async fn an_app_transaction_that_fails_is_not_captured<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id, base) = with_agreed_stock(fixture).await;
    let changes = vec![
        AppChange::update(&STOCK, &id, &[("product", text("mint"))]),
        AppChange::insert(&STOCK, &text_id("s2"), &stock("b1", "rice", 1)),
        AppChange::insert(&STOCK, &id, &stock("b1", "a second row of this id", 1)),
    ];
    let refused = bench.fixture.change(AppChange::Transaction(changes)).await;
    assert!(refused.is_err(), "two rows cannot have one id");
    assert_eq!(bench.row(&STOCK, &id).await, Some(base));
    bench.assert_nothing_to_send().await;
}

/// A row that no store takes is set aside with the field's name, its neighbour goes out, and a mended row follows.
pub async fn a_row_that_cannot_be_sent_is_set_aside<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (bad, good) = (text_id("s1"), text_id("s2"));
    let mut infinite = stock("b1", "tea", 5);
    infinite.columns_mut()[3] = ColumnValue::Real(f64::INFINITY);
    bench.insert(&STOCK, &bad, &infinite).await;
    bench.insert(&STOCK, &good, &stock("b1", "rice", 6)).await;
    let draft = bench.draft().await;
    let intent = draft.intent.expect("the neighbour can be sent");
    assert_eq!(intent.operations.len(), 1);
    assert_eq!(intent.operations[0].id, good);
    assert_eq!(draft.quarantined.len(), 1, "{:?}", draft.quarantined);
    let record = &draft.quarantined[0];
    assert_eq!((record.id.as_ref(), record.way), (Some(&bad), Way::Outbound));
    assert!(
        record.reason.contains("price"),
        "the field is named: {}",
        record.reason
    );
    bench.settle(&intent).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(bench.pending(&STOCK).await.quarantined, 1);
    bench
        .update(&STOCK, &bad, &[("price", ColumnValue::Real(1.5))])
        .await;
    bench.push().await;
    let mended = bench.row(&STOCK, &bad).await;
    assert_eq!(bench.store.image(&STOCK, &bad), mended);
    assert_eq!(bench.pending(&STOCK).await.quarantined, 0);
}

async fn with_agreed_stock<F: RepositoryFixture>(fixture: F) -> (Bench<F>, DocumentId, Image) {
    let mut bench = Bench::new(fixture).await;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    bench.agree(&STOCK, &id, &image).await;
    (bench, id, image)
}

fn assert_seed(operation: &Operation, id: &DocumentId, image: &Image) {
    assert_eq!(operation.expect, Expect::Absent);
    let document = STOCK.document_of(id, image).expect("it can be sent");
    assert_eq!(operation.action, Action::Seed(document));
    assert_eq!(operation.record.covers, None, "a seed covers no change");
}
