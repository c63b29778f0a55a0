//! What an apply does to dirty rows.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    id::DocumentId,
    intent::{Action, Expect},
    merge::{Conflict, ConflictKind},
    repository::Applied,
    value::Value,
};

use super::models::{STOCK, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

/// Each side changed another field: both changes are in the row, the local one is sent against the new base, nothing is reported.
pub async fn different_fields_are_merged<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("note", text("ours"))]).await;
    bench.store.set(&STOCK, &id, "product", "theirs");
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.conflicts, Vec::new());
    let mut merged = stock("b1", "theirs", 5);
    merged.columns_mut()[4] = text("ours");
    assert_eq!(bench.row(&STOCK, &id).await, Some(merged.clone()));
    let (intent, operation) = bench.only_operation().await;
    let set = vec![("note".into(), Value::Text("ours".into()))];
    assert_eq!(
        operation.action,
        Action::Patch {
            set,
            increments: Vec::new()
        }
    );
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &merged).await;
}

/// Both changed one field: the local value stays and is sent as the later write; both values are reported.
pub async fn a_field_changed_on_both_sides_keeps_the_local_value<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("product", text("ours"))]).await;
    bench.store.set(&STOCK, &id, "product", "theirs");
    let applied = bench.pull(&STOCK, &id).await;
    let conflict = only_conflict(&applied);
    assert_eq!(
        (conflict.kind, &conflict.id, conflict.collection),
        (ConflictKind::LocalKept, &id, STOCK.collection())
    );
    assert_eq!(conflict.fields.len(), 1);
    assert_eq!(conflict.fields[0].field, "product");
    assert_eq!(conflict.fields[0].local, Some(text("ours")));
    assert_eq!(conflict.fields[0].remote, Some(text("theirs")));
    let again = bench.pull(&STOCK, &id).await;
    assert_eq!(again.conflicts, Vec::new(), "it is reported once");
    bench.push().await;
    assert_eq!(bench.store.image(&STOCK, &id), Some(stock("b1", "ours", 5)));
}

/// A counter changed on both sides: the row has both changes, and only the local one is sent.
pub async fn counters_add_up<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench
        .update(&STOCK, &id, &[("quantity", ColumnValue::Integer(3))])
        .await;
    bench.store.set(&STOCK, &id, "quantity", 15);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(
        applied.conflicts,
        Vec::new(),
        "increments do not contradict each other"
    );
    assert_eq!(bench.row(&STOCK, &id).await, Some(stock("b1", "tea", 13)));
    let (intent, operation) = bench.only_operation().await;
    let increments = vec![("quantity".into(), -2)];
    assert_eq!(
        operation.action,
        Action::Patch {
            set: Vec::new(),
            increments
        }
    );
    bench.settle(&intent).await;
    assert_eq!(bench.store.image(&STOCK, &id), Some(stock("b1", "tea", 13)));
}

/// Row and document became the same: nothing is left to send.
pub async fn the_same_change_on_both_sides_leaves_a_clean_row<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("product", text("mint"))]).await;
    bench.store.set(&STOCK, &id, "product", "mint");
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.conflicts, Vec::new());
    assert_eq!(bench.pending(&STOCK).await.entries, 0);
    bench.assert_agreed(&STOCK, &id, &stock("b1", "mint", 5)).await;
}

/// A delete wins over an edit that is not sent yet; what was lost is reported.
pub async fn a_delete_wins_over_an_unsent_edit<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.update(&STOCK, &id, &[("product", text("ours"))]).await;
    bench.store.delete(&STOCK, &id);
    let applied = bench.pull(&STOCK, &id).await;
    let conflict = only_conflict(&applied);
    assert_eq!(conflict.kind, ConflictKind::LocalDroppedByDelete);
    assert_eq!(conflict.fields.len(), 1);
    assert_eq!(conflict.fields[0].local, Some(text("ours")));
    assert_eq!(bench.row(&STOCK, &id).await, None);
    bench.assert_nothing_to_send().await;
}

/// Deleted here and there: nothing is left.
pub async fn a_delete_on_both_sides_leaves_nothing<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.delete(&STOCK, &id).await;
    bench.store.delete(&STOCK, &id);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.conflicts, Vec::new());
    assert_eq!(bench.pending(&STOCK).await.entries, 0);
    bench.assert_nothing_to_send().await;
}

/// A row deleted and inserted again is a new write: a delete that arrives meanwhile does not take it.
pub async fn a_delete_meets_an_unsent_insert<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    let again = stock("b1", "again", 1);
    let both = vec![
        AppChange::delete(&STOCK, &id),
        AppChange::insert(&STOCK, &id, &again),
    ];
    bench.change(AppChange::Transaction(both)).await;
    bench.store.delete(&STOCK, &id);
    bench.pull(&STOCK, &id).await;
    assert_eq!(bench.row(&STOCK, &id).await, Some(again.clone()));
    let (intent, operation) = bench.only_operation().await;
    assert_eq!(operation.expect, Expect::Absent);
    assert!(matches!(operation.action, Action::Insert(_)));
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &again).await;
}

/// A local delete stands against a remote edit; what it erases is reported.
pub async fn a_local_delete_meets_a_remote_edit<F: RepositoryFixture>(fixture: F) {
    let (mut bench, id) = with_agreed_stock(fixture).await;
    bench.delete(&STOCK, &id).await;
    bench.store.set(&STOCK, &id, "product", "theirs");
    let applied = bench.pull(&STOCK, &id).await;
    let conflict = only_conflict(&applied);
    assert_eq!(conflict.kind, ConflictKind::RemoteErasedByDelete);
    assert_eq!(
        (conflict.fields[0].field, &conflict.fields[0].remote),
        ("product", &Some(text("theirs")))
    );
    assert_eq!(bench.row(&STOCK, &id).await, None);
    bench.push().await;
    assert_eq!(bench.store.get(&STOCK, &id), None);
    bench.assert_nothing_to_send().await;
}

/// An unsent insert of an id that the store holds: the insert is the later write of every field; what it replaces is reported.
pub async fn a_local_insert_meets_a_document<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, ours) = (text_id("s1"), stock("b1", "ours", 5));
    bench.insert(&STOCK, &id, &ours).await;
    bench.store.put(&STOCK, &id, &stock("b1", "theirs", 7));
    let applied = bench.pull(&STOCK, &id).await;
    let conflict = only_conflict(&applied);
    assert_eq!(conflict.kind, ConflictKind::RemoteReplacedByInsert);
    let fields: Vec<_> = conflict.fields.iter().map(|field| field.field).collect();
    assert_eq!(fields, ["product", "quantity"]);
    assert_eq!(bench.row(&STOCK, &id).await, Some(ours.clone()));
    let (intent, operation) = bench.only_operation().await;
    assert!(matches!(operation.action, Action::Insert(_)));
    bench.settle(&intent).await;
    bench.assert_agreed(&STOCK, &id, &ours).await;
}

/// A row that was there before the triggers gives way to the document of its id; what it held is reported.
pub async fn a_row_never_sent_gives_way_to_its_document<F: RepositoryFixture>(mut fixture: F) {
    let (id, theirs) = (text_id("s1"), stock("b1", "theirs", 5));
    let change = AppChange::insert(&STOCK, &id, &stock("b1", "ours", 5));
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench.store.put(&STOCK, &id, &theirs);
    let applied = bench.pull(&STOCK, &id).await;
    let conflict = only_conflict(&applied);
    assert_eq!(conflict.kind, ConflictKind::LocalReplacedByAdoption);
    assert_eq!(conflict.fields[0].local, Some(text("ours")));
    assert_eq!(bench.row(&STOCK, &id).await, Some(theirs.clone()));
    bench.assert_agreed(&STOCK, &id, &theirs).await;
}

/// A row that is what its document says is adopted as it is.
pub async fn an_equal_row_is_adopted_without_a_word<F: RepositoryFixture>(mut fixture: F) {
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    let change = AppChange::insert(&STOCK, &id, &image);
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench.store.put(&STOCK, &id, &image);
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!((applied.changed.len(), applied.conflicts.len()), (0, 0));
    bench.assert_agreed(&STOCK, &id, &image).await;
}

async fn with_agreed_stock<F: RepositoryFixture>(fixture: F) -> (Bench<F>, DocumentId) {
    let mut bench = Bench::new(fixture).await;
    let id = text_id("s1");
    let image: Image = stock("b1", "tea", 5);
    bench.agree(&STOCK, &id, &image).await;
    (bench, id)
}

fn only_conflict(applied: &Applied) -> &Conflict {
    assert_eq!(
        applied.conflicts.len(),
        1,
        "one conflict is reported: {applied:?}"
    );
    &applied.conflicts[0]
}
