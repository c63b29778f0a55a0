//! JSON values as fields.

use ditto_sync_core::{
    column::ColumnValue,
    field::{DittoField, Storage},
    value::Value,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::{database::Database, field_laws};

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(|float| Json::from(float + 0.0)),
        any::<String>().prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 32, 6, |item| {
        prop_oneof![
            prop::collection::vec(item.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), item, 0..6)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn json_keeps_the_laws_and_agrees_with_sqlx() {
    let database = Database::in_memory();
    proptest!(|(json in json())| {
        field_laws::hold_for(&json);
        field_laws::agree_with_sqlx(&database, &json);
    });
}

#[test]
fn column_text_of_other_code_becomes_canonical() {
    let written = ColumnValue::Text(r#" { "b" : [1, 2.50], "a":-0.0 } "#.into());
    let json = Json::from_column(&written).unwrap();
    assert_eq!(
        json.to_column(Storage::Text),
        ColumnValue::Text(r#"{"a":0.0,"b":[1,2.5]}"#.into())
    );
}

#[test]
fn an_integer_above_i64_is_refused_and_never_becomes_another_number() {
    let column = ColumnValue::Text("[18446744073709551615]".into());
    let error = Json::from_column(&column).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected JSON with integers up to 64 bits signed, found `18446744073709551615`"
    );
    assert!(json!([u64::MAX]).to_value().validate().is_err());
}

#[test]
fn what_json_cannot_hold_is_refused() {
    field_laws::refuse_other_kinds::<Json>(&[
        "null",
        "a bool",
        "an integer",
        "a float",
        "text",
        "a list",
        "a map",
    ]);
    assert!(Json::from_value(&Value::Float(f64::NAN)).is_err());
    assert!(Json::from_value(&Value::List(vec![Value::Bytes(vec![1])])).is_err());
    assert!(Json::from_column(&ColumnValue::Text("{".into())).is_err());
    assert!(Json::from_column(&ColumnValue::Blob(b"{}".to_vec())).is_err());
}

#[test]
fn an_optional_json_reads_both_nulls_as_none() {
    assert_eq!(Option::<Json>::from_value(&Value::Null), Ok(None));
    assert_eq!(Option::<Json>::from_column(&ColumnValue::Null), Ok(None));
    assert_eq!(
        Json::Null.to_column(Storage::Text),
        ColumnValue::Text("null".into())
    );
}
