//! How app writes are captured, as the outbox shows it, and what constraints refuse.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    id::DocumentId,
    repository::Repository,
};
use ditto_sync_testkit::{
    app_change::AppChange,
    contract::repository::models::{
        CATEGORY, MODELS, ORDER, ORDER_ITEM, STOCK, category, item, item_id, order, stock, text, text_id,
    },
    memory_repository::{AppError, CaptureKind, ForeignKey, MemoryRepository, OnDelete, Violation},
};

fn key(on_delete: OnDelete) -> ForeignKey {
    ForeignKey {
        child: &ORDER_ITEM,
        columns: &["order_id"],
        parent: &ORDER,
        on_delete,
    }
}

async fn prepared(repository: MemoryRepository) -> MemoryRepository {
    repository.prepare(&MODELS).await.expect("it is prepared");
    repository
}

fn kinds(repository: &MemoryRepository) -> Vec<(DocumentId, CaptureKind, Option<Image>)> {
    let entries = repository.outbox(&STOCK).into_iter();
    entries.map(|entry| (entry.id, entry.kind, entry.old)).collect()
}

#[tokio::test]
async fn each_change_is_captured_with_its_kind_and_old_image() {
    let repository = prepared(MemoryRepository::new(1)).await;
    let (app, id) = (repository.app(), text_id("s1"));
    let [tea, mint, rice] = ["tea", "mint", "rice"].map(|product| stock("b1", product, 5));
    app.insert(&STOCK, &id, &tea).unwrap();
    app.update(&STOCK, &id, &[("product", text("mint"))]).unwrap();
    app.upsert(&STOCK, &id, &rice).unwrap();
    app.change(&AppChange::replace(&STOCK, &id, &tea)).unwrap();
    app.delete(&STOCK, &id).unwrap();
    app.upsert(&STOCK, &id, &mint).unwrap();
    let expected = [
        (CaptureKind::Insert, None),
        (CaptureKind::Update, Some(tea.clone())),
        (CaptureKind::Update, Some(mint)),
        (CaptureKind::Update, Some(rice)),
        (CaptureKind::Delete, Some(tea)),
        (CaptureKind::Insert, None),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(kind, old)| (id.clone(), kind, old))
        .collect();
    assert_eq!(kinds(&repository), expected);
}

#[tokio::test]
async fn what_changes_nothing_is_not_captured() {
    let repository = prepared(MemoryRepository::new(1)).await;
    let app = repository.app();
    app.delete(&STOCK, &text_id("nobody")).unwrap();
    app.update(&STOCK, &text_id("nobody"), &[("note", text("x"))])
        .unwrap();
    let category_id = DocumentId::integer(1);
    app.insert(&CATEGORY, &category_id, &category("food")).unwrap();
    app.update(&CATEGORY, &category_id, &[("name", text("food"))])
        .unwrap();
    assert_eq!(
        repository.outbox(&CATEGORY).len(),
        1,
        "the same value is no change"
    );
    assert_eq!(kinds(&repository), Vec::new());
}

#[tokio::test]
async fn nothing_is_captured_before_the_first_prepare() {
    let repository = MemoryRepository::new(1);
    repository
        .app()
        .insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5))
        .unwrap();
    assert_eq!(kinds(&repository), Vec::new());
    assert_eq!(repository.rows(&STOCK).len(), 1);
}

#[tokio::test]
async fn a_failed_transaction_leaves_no_trace() {
    let repository = prepared(MemoryRepository::new(1)).await;
    let id = text_id("s1");
    let twice = [
        AppChange::insert(&STOCK, &id, &stock("b1", "tea", 5)),
        AppChange::insert(&STOCK, &id, &stock("b1", "rice", 5)),
    ];
    assert_eq!(repository.app().transaction(&twice), Err(AppError::Exists(id)));
    assert!(repository.rows(&STOCK).is_empty());
    assert_eq!(kinds(&repository), Vec::new());
}

#[tokio::test]
async fn an_unknown_column_is_refused() {
    let repository = prepared(MemoryRepository::new(1)).await;
    let id = text_id("s1");
    repository
        .app()
        .insert(&STOCK, &id, &stock("b1", "tea", 5))
        .unwrap();
    let refused = repository
        .app()
        .update(&STOCK, &id, &[("colour", ColumnValue::Null)]);
    assert!(matches!(
        refused,
        Err(AppError::NoColumn { column: "colour", .. })
    ));
}

#[tokio::test]
async fn an_orphan_is_refused() {
    let repository = MemoryRepository::new(1).with_foreign_key(key(OnDelete::Restrict));
    let refused = repository
        .app()
        .insert(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 1));
    assert!(matches!(
        refused,
        Err(AppError::Violates {
            violation: Violation::NoParent { .. },
            ..
        })
    ));
}

#[tokio::test]
async fn a_parent_stays_while_children_restrict_it() {
    let repository = prepared(MemoryRepository::new(1).with_foreign_key(key(OnDelete::Restrict))).await;
    let app = repository.app();
    app.insert(&ORDER, &text_id("o1"), &order("ann", 1.0)).unwrap();
    app.insert(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 1))
        .unwrap();
    let refused = app.delete(&ORDER, &text_id("o1"));
    assert!(matches!(
        refused,
        Err(AppError::Violates {
            violation: Violation::HasChildren { .. },
            ..
        })
    ));
    app.delete(&ORDER_ITEM, &item_id("o1", 1)).unwrap();
    app.delete(&ORDER, &text_id("o1")).unwrap();
    assert!(repository.rows(&ORDER).is_empty());
}

#[tokio::test]
async fn a_cascade_is_captured_children_first() {
    let repository = prepared(MemoryRepository::new(1).with_foreign_key(key(OnDelete::Cascade))).await;
    let app = repository.app();
    app.insert(&ORDER, &text_id("o1"), &order("ann", 1.0)).unwrap();
    app.insert(&ORDER_ITEM, &item_id("o1", 1), &item("tea", 1))
        .unwrap();
    app.delete(&ORDER, &text_id("o1")).unwrap();
    let child = repository.outbox(&ORDER_ITEM).pop().unwrap();
    let parent = repository.outbox(&ORDER).pop().unwrap();
    assert_eq!(
        (child.kind, child.old),
        (CaptureKind::Delete, Some(item("tea", 1)))
    );
    assert_eq!(parent.kind, CaptureKind::Delete);
    assert!(child.seq < parent.seq);
}

#[tokio::test]
async fn replace_removes_the_row_that_holds_a_unique_value() {
    let repository = prepared(MemoryRepository::new(1).with_unique(&CATEGORY, &["name"])).await;
    let (app, food) = (repository.app(), category("food"));
    let [first, second] = [1, 2].map(DocumentId::integer);
    app.insert(&CATEGORY, &first, &food).unwrap();
    let refused = app.insert(&CATEGORY, &second, &food);
    assert!(matches!(
        refused,
        Err(AppError::Violates {
            violation: Violation::NotUnique { .. },
            ..
        })
    ));
    app.change(&AppChange::replace(&CATEGORY, &second, &food))
        .unwrap();
    assert_eq!(
        repository.rows(&CATEGORY).into_keys().collect::<Vec<_>>(),
        vec![second]
    );
    let removed = repository
        .outbox(&CATEGORY)
        .into_iter()
        .find(|entry| entry.kind == CaptureKind::Delete);
    assert_eq!(removed.map(|entry| entry.id), Some(first));
}
