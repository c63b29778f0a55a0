//! The documents of the example, as structs and as rows: what is read, and what is written instead.

use ditto_sync::{DittoAdapter, Document, DocumentId, FieldKind, Value};
use ditto_sync_testkit::Flavor;
use serde_json::{Value as Json, json};

use crate::{
    documents::{BRANCH, document_of, models},
    flipper_till::{dart_reads, document, json as as_json},
    models::{Branch, Category, Counter, Customer, ITransaction, Stock, TransactionItem, Variant},
    till::{Shop, wait_for},
};

fn read<T: DittoAdapter>() -> T {
    let (id, document) = document(&document_of(T::descriptor())).expect("a document of the app");
    T::from_document(&id, &document).expect("it can be read")
}

fn as_text<T: ditto_sync::DittoField>(value: &T) -> String {
    match value.to_value() {
        Value::Text(text) => text,
        other => panic!("not text: {other:?}"),
    }
}

#[test]
fn the_registry_finds_all_eight_models_of_flipper() {
    let registry = ditto_sync::SyncRegistry::discover().expect("the models agree");
    let mut expected: Vec<_> = models().iter().map(|model| model.collection()).collect();
    expected.sort_unstable();
    assert_eq!(registry.collections(), expected);
    assert!(
        registry
            .expect_collections(expected)
            .context("branchId", BRANCH)
            .context("businessId", "b")
            .setup()
            .is_ok()
    );
    assert!(Variant::descriptor().fields().len() > 60);
    assert_eq!(Variant::descriptor().links().len(), 1, "to its stock");
}

#[test]
fn integers_are_read_as_floats_and_text_stays_text() {
    let stock: Stock = read();
    assert_eq!((stock.current_stock, stock.low_stock), (Some(24.0), Some(5.0)));
    assert_eq!(stock.current_stock_milli, Some(24_000));
    let variant: Variant = read();
    assert_eq!((variant.tax_percentage, variant.prc), (Some(18.0), Some(600.0)));
    assert_eq!(variant.taxbl_amt, Some(508.474_576_271_186_4));
    let branch: Branch = read();
    assert_eq!((branch.latitude, branch.longitude), (Some(-2.0), Some(30.0619)));
    let customer: Customer = read();
    assert_eq!(customer.tel_no.as_deref(), Some("0788123456"));
}

#[test]
fn dates_keep_their_zone_or_the_lack_of_one() {
    let counter: Counter = read();
    let (touched, created) = (
        counter.last_touched.expect("a date"),
        counter.created_at.expect("a date"),
    );
    assert_eq!(as_text(&touched), "2025-10-09T11:22:33.123456");
    assert_eq!(as_text(&created), "2024-01-01T00:00:00.000Z");
    let variant: Variant = read();
    assert_eq!(
        as_text(&variant.last_touched.expect("a date")),
        "2026-02-28T23:59:59.999999Z"
    );
    assert_eq!(
        as_text(&variant.expiration_date.expect("a date")),
        "2026-12-31T00:00:00.000"
    );
}

#[test]
fn the_same_instant_in_another_notation_is_the_same_date() {
    let mut elsewhere = document_of(Category::descriptor());
    elsewhere["lastTouched"] = "2025-10-09T16:03:22.118+02:00".into();
    let (id, theirs) = document(&elsewhere).expect("a document");
    let theirs = Category::from_document(&id, &theirs).expect("it can be read");
    assert_eq!(theirs, read());
}

#[test]
fn missing_fields_and_nulls_are_none_unless_dart_declares_a_default() {
    let category: Category = read();
    assert!(!category.focused);
    assert_eq!(
        (category.deleted_at, category.name.as_deref()),
        (None, Some("Drinks"))
    );
    let stock: Stock = read();
    assert_eq!(
        stock.active, None,
        "null is not the `true` that Dart's constructor makes of it"
    );
    let transaction: ITransaction = read();
    assert_eq!(
        (transaction.refunded_amount, transaction.is_loan),
        (None, Some(false))
    );
    assert!(transaction.items.is_empty(), "lines are documents of their own");
    let item: TransactionItem = read();
    assert!(!item.ignore_for_report);
}

#[test]
fn a_field_that_dart_requires_is_missed_by_name() {
    for (field, value) in [
        ("qty", None),
        ("qty", Some(json!("two"))),
        ("createdAt", Some(json!("yesterday"))),
    ] {
        let mut broken = document_of(TransactionItem::descriptor());
        match value {
            Some(value) => broken[field] = value,
            None => drop(broken.as_object_mut().expect("an object").remove(field)),
        }
        let (id, broken) = document(&broken).expect("a document");
        let error = TransactionItem::from_document(&id, &broken).expect_err("it cannot be read");
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(text.contains(field), "{text} does not name {field}");
    }
}

/// What this till would write of what it read: the document of the app, each field in the app's own notation.
#[test]
fn what_is_written_is_what_the_app_would_have_written() {
    fn written<T: DittoAdapter>() -> (DocumentId, Document) {
        let row: T = read();
        (
            row.document_id().expect("an id"),
            row.to_document().expect("a document"),
        )
    }
    let written = [
        written::<Branch>(),
        written::<Category>(),
        written::<Customer>(),
        written::<Counter>(),
        written::<Stock>(),
        written::<Variant>(),
        written::<ITransaction>(),
        written::<TransactionItem>(),
    ];
    for (model, (id, document)) in models().into_iter().zip(written) {
        let (ours, theirs) = (as_json(&id, document).expect("JSON"), document_of(model));
        dart_reads(model, &ours).unwrap_or_else(|field| panic!("{}: {field}", model.collection()));
        assert_eq!((&ours["_id"], &ours["id"]), (&theirs["_id"], &theirs["id"]));
        for field in model.fields() {
            let (ours, theirs) = (&ours[field.document_name()], &theirs[field.document_name()]);
            let same = match field.kind() {
                FieldKind::Float => ours.as_f64() == theirs.as_f64(),
                // What Dart declares false where it is missing.
                FieldKind::Bool if theirs.is_null() && !field.is_nullable() => *ours == json!(false),
                _ => ours == theirs,
            };
            assert!(
                same,
                "{}: `{}` is {ours}, was {theirs}",
                model.collection(),
                field.document_name()
            );
        }
    }
}

#[tokio::test]
async fn documents_of_another_branch_stay_where_they_are() {
    let mut shop = Shop::new(Flavor::Ditto);
    let till = shop.till("till").await;
    let mut elsewhere = document_of(Stock::descriptor());
    elsewhere["branchId"] = "c0ffee00-0000-4000-8000-00000000000b".into();
    (elsewhere["_id"], elsewhere["id"]) = (json!("stk-2"), json!("stk-2"));
    for stock in [elsewhere, document_of(Stock::descriptor())] {
        shop.flipper
            .upsert(Stock::descriptor(), &stock)
            .await
            .expect("Flipper writes");
    }
    till.holds("SELECT group_concat(id) FROM stocks", "stk-1").await;
}

#[tokio::test]
async fn fields_that_no_column_maps_and_fields_that_did_not_change_are_left_as_flipper_wrote_them() {
    let mut shop = Shop::new(Flavor::Ditto);
    let till = shop.till("till").await;
    let stock = Stock::descriptor();
    shop.flipper
        .upsert(stock, &document_of(stock))
        .await
        .expect("Flipper writes");
    till.holds("SELECT count(*) FROM stocks", "1").await;
    till.run("UPDATE stocks SET low_stock = 7").await;
    let changed = wait_for("the change at Flipper", async || {
        let found = shop.flipper.read(stock, "stk-1").await.expect("it reads");
        found.filter(|found| found["lowStock"] == 7.0)
    })
    .await;
    let mut expected = document_of(stock);
    expected["lowStock"] = json!(7.0);
    assert_eq!(
        changed, expected,
        "nothing else differs, down to the notation of numbers"
    );
}

#[test]
fn json_of_the_app_comes_back_as_it_was() {
    for model in models() {
        let json: Json = document_of(model);
        let (id, document) = document(&json).expect("a document");
        assert_eq!(as_json(&id, document).expect("JSON"), json);
    }
}
