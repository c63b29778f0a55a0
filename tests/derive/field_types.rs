//! `derive(DittoField)`: newtypes and unit enums.

use ditto_sync::prelude::*;
use ditto_sync_core::{
    column::ColumnValue,
    field::{FieldError, FieldKind, Storage},
    id::DocumentId,
    value::Value,
};

#[derive(Debug, Clone, PartialEq, DittoField)]
struct ProductId(String);

#[derive(Debug, Clone, Copy, PartialEq, DittoField)]
struct Quantity(i64);

#[derive(Debug, Clone, PartialEq, DittoField)]
struct Note(Option<String>);

#[derive(Debug, Clone, Copy, PartialEq, DittoField)]
#[ditto(rename_all = "snake_case")]
enum Status {
    Open,
    PartlyPaid,
    #[ditto(rename = "paid")]
    Settled,
    r#Else,
}

#[derive(Debug, Clone, Copy, PartialEq, DittoField)]
enum Plain {
    InStock,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "field_types_sales")]
struct Sale {
    #[ditto(id)]
    product: ProductId,
    #[ditto(counter)]
    quantity: Quantity,
    note: Note,
    status: Status,
    previous: Option<Status>,
}

fn both_ways<T: DittoField + PartialEq + std::fmt::Debug>(field: &T, value: &Value, column: &ColumnValue) {
    assert_eq!(field.to_value(), *value);
    assert_eq!(T::from_value(value).as_ref(), Ok(field));
    assert_eq!(field.to_column(T::STORAGE), *column);
    assert_eq!(T::from_column(column).as_ref(), Ok(field));
}

fn text(text: &str) -> (Value, ColumnValue) {
    (Value::from(text), ColumnValue::Text(text.to_owned()))
}

#[test]
fn a_newtype_is_what_its_inner_type_is() {
    assert_eq!(ProductId::KIND, FieldKind::Text);
    assert_eq!(Quantity::STORAGE, Storage::Integer);
    assert_eq!((Note::NULLABLE, Quantity::NULLABLE), (true, false));
    assert_eq!((ProductId::CANONICAL, Status::CANONICAL), (true, false));
    let (value, column) = text("p1");
    both_ways(&ProductId("p1".to_owned()), &value, &column);
    both_ways(&Quantity(-3), &Value::Int(-3), &ColumnValue::Integer(-3));
    both_ways(&Note(None), &Value::Null, &ColumnValue::Null);
    assert!(Quantity::from_value(&Value::from("three")).is_err());
}

#[test]
fn a_newtype_takes_the_storage_of_its_column() {
    assert_eq!(
        Quantity(5).to_column(Storage::Text),
        ColumnValue::Text("5".to_owned())
    );
}

#[test]
fn a_variant_is_its_text() {
    let expected = [
        (Status::Open, "open"),
        (Status::PartlyPaid, "partly_paid"),
        (Status::Settled, "paid"),
        (Status::Else, "else"),
    ];
    for (status, name) in expected {
        let (value, column) = text(name);
        both_ways(&status, &value, &column);
    }
    let (value, column) = text("InStock");
    both_ways(&Plain::InStock, &value, &column);
}

#[test]
fn an_unknown_text_is_an_error_and_no_variant() {
    let unknown = FieldError::content("one of `open`, `partly_paid`, `paid`, `else`", "Open");
    let (value, column) = text("Open");
    assert_eq!(Status::from_value(&value), Err(unknown.clone()));
    assert_eq!(Status::from_column(&column), Err(unknown));
    assert!(Status::from_value(&Value::Int(0)).is_err());
    assert!(Status::from_column(&ColumnValue::Null).is_err());
}

#[test]
fn derived_types_are_fields_ids_and_counters_of_a_model() {
    let sale = Sale {
        product: ProductId("p1".to_owned()),
        quantity: Quantity(3),
        note: Note(None),
        status: Status::PartlyPaid,
        previous: Some(Status::Open),
    };
    let document = sale.to_document().unwrap();
    assert_eq!(document.get("previous"), Some(&Value::from("open")));
    let id = DocumentId::text("p1").unwrap();
    assert_eq!(sale.document_id().unwrap(), id);
    assert_eq!(Sale::from_document(&id, &document).unwrap(), sale);
}
