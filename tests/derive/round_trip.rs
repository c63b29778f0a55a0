//! Structs become documents and come back; the struct's path and the engine's row path agree.

use ditto_sync::prelude::*;
use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::RowError,
    document::Document,
    field::FieldError,
    id::DocumentId,
    value::Value,
};

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "round_trip_stocks", rename_all = "camelCase", scope(branch_id))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
    #[ditto(storage = "text")]
    shelf: i64,
    is_active: bool,
    #[ditto(default = Self::standard_rate)]
    rate: f64,
    #[ditto(default)]
    note: String,
    #[ditto(default = some_label)]
    label: Option<String>,
    #[ditto(skip)]
    selected: Option<Vec<u64>>,
}

impl Stock {
    fn standard_rate() -> f64 {
        0.18
    }
}

fn some_label() -> Option<String> {
    Some("none yet".to_owned())
}

fn stock() -> Stock {
    Stock {
        id: "s1".to_owned(),
        branch_id: "kigali-1".to_owned(),
        product: None,
        quantity: 7,
        shelf: 3,
        is_active: true,
        rate: 0.5,
        note: String::new(),
        label: None,
        selected: None,
    }
}

fn missing(field: &'static str) -> RowError {
    RowError::Field {
        field,
        reason: FieldError::Missing,
    }
}

#[test]
fn a_struct_comes_back_from_its_document() {
    let stock = stock();
    let document = stock.to_document().unwrap();
    let id = stock.document_id().unwrap();
    assert_eq!(id, DocumentId::text("s1").unwrap());
    assert_eq!(Stock::from_document(&id, &document).unwrap(), stock);
}

#[test]
fn a_document_holds_every_mapped_field_and_the_anchor() {
    let document = stock().to_document().unwrap();
    let names: Vec<&str> = document.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "branchId", "id", "isActive", "label", "note", "product", "quantity", "rate", "shelf"
        ]
    );
    assert_eq!(document.get("shelf"), Some(&Value::Int(3)));
    assert_eq!(document.get("product"), Some(&Value::Null));
    assert_eq!(document.get("id"), Some(&Value::from("s1")));
}

#[test]
fn the_struct_and_the_row_become_the_same_document() {
    let row = Image::new(vec![
        ColumnValue::Text("kigali-1".to_owned()),
        ColumnValue::Null,
        ColumnValue::Integer(7),
        ColumnValue::Text("3".to_owned()),
        ColumnValue::Integer(1),
        ColumnValue::Real(0.5),
        ColumnValue::Text(String::new()),
        ColumnValue::Null,
    ]);
    let model = Stock::descriptor();
    let id = stock().document_id().unwrap();
    let document = stock().to_document().unwrap();
    assert_eq!(model.document_of(&id, &row).unwrap(), document);
    assert_eq!(model.image_of(&document).unwrap(), row);
}

#[test]
fn a_missing_field_is_its_declared_default_or_null_or_an_error() {
    let id = DocumentId::text("s1").unwrap();
    let full = stock().to_document().unwrap();
    let without = |names: &[&str]| {
        let mut document = full.clone();
        for name in names {
            document.remove(name);
        }
        Stock::from_document(&id, &document)
    };
    let read = without(&["product", "rate", "note", "label"]).unwrap();
    assert_eq!(read.product, None);
    assert_eq!(read.rate, 0.18);
    assert_eq!(read.note, "");
    assert_eq!(read.label.as_deref(), Some("none yet"));
    assert_eq!(without(&["quantity"]), Err(missing("quantity")));
    assert_eq!(without(&["branchId"]), Err(missing("branchId")));
}

#[test]
fn null_is_a_value_where_the_type_has_it_and_missing_where_it_has_not() {
    let id = DocumentId::text("s1").unwrap();
    let with_null = |name: &str| {
        let mut document = stock().to_document().unwrap();
        document.set(name.to_owned(), Value::Null);
        Stock::from_document(&id, &document)
    };
    assert_eq!(with_null("label").unwrap().label, None);
    assert_eq!(with_null("rate").unwrap().rate, 0.18);
    assert!(with_null("quantity").is_err());
}

#[test]
fn a_field_of_another_kind_is_an_error_that_names_it() {
    let id = DocumentId::text("s1").unwrap();
    let mut document = stock().to_document().unwrap();
    document.set("quantity", "seven");
    let error = Stock::from_document(&id, &document).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `quantity`: expected an integer, found text"
    );
}

#[test]
fn a_value_that_no_store_takes_is_refused() {
    let mut stock = stock();
    stock.rate = f64::NAN;
    let error = stock.to_document().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `rate`: a float must be finite, found NaN"
    );
}

#[test]
fn an_open_field_refuses_what_no_column_holds() {
    #[derive(Debug, Clone, PartialEq, DittoAdapter)]
    #[ditto(collection = "round_trip_open")]
    struct Open {
        #[ditto(id)]
        id: i64,
        anything: Value,
    }
    let mut open = Open {
        id: 1,
        anything: Value::Int(5),
    };
    let document = open.to_document().unwrap();
    assert_eq!(
        Open::from_document(&DocumentId::integer(1), &document).unwrap(),
        open
    );
    open.anything = Value::List(vec![Value::Int(1)]);
    assert!(open.to_document().is_err());
}

#[test]
fn a_skipped_field_takes_its_default() {
    let mut stock = stock();
    stock.selected = Some(vec![1, 2]);
    let id = stock.document_id().unwrap();
    let read = Stock::from_document(&id, &stock.to_document().unwrap()).unwrap();
    assert_eq!(read.selected, None);
}

#[test]
fn unknown_document_fields_are_left_alone() {
    let mut document = stock().to_document().unwrap();
    document.set("addedLater", 5_i64);
    let id = stock().document_id().unwrap();
    assert_eq!(Stock::from_document(&id, &document).unwrap(), stock());
}

#[test]
fn a_struct_of_its_id_alone_is_a_model() {
    #[derive(Debug, PartialEq, DittoAdapter)]
    #[ditto(collection = "round_trip_tags", id_field = "none")]
    struct Tag {
        #[ditto(id)]
        name: String,
    }
    let tag = Tag {
        name: "new".to_owned(),
    };
    let document = tag.to_document().unwrap();
    assert_eq!(document, Document::from_iter([("name", "new")]));
    assert_eq!(
        Tag::from_document(&tag.document_id().unwrap(), &Document::new()).unwrap(),
        tag
    );
}
