//! The types of std as fields.

use ditto_sync_core::{
    column::ColumnValue,
    field::{DittoField, FieldError, Storage},
    value::Value,
};
use proptest::prelude::*;

use crate::{database::Database, field_laws};

macro_rules! type_keeps_the_laws {
    ($($test:ident: $type:ty),+ $(,)?) => {
        $(#[test]
        fn $test() {
            let database = Database::in_memory();
            proptest!(|(value: $type)| {
                field_laws::hold_for(&value);
                field_laws::hold_for(&Some(value.clone()));
                field_laws::agree_with_sqlx(&database, &value);
            });
            field_laws::hold_for(&None::<$type>);
        })+
    };
}

type_keeps_the_laws!(
    bool_keeps_the_laws: bool,
    i64_keeps_the_laws: i64,
    i32_keeps_the_laws: i32,
    i16_keeps_the_laws: i16,
    i8_keeps_the_laws: i8,
    u32_keeps_the_laws: u32,
    u16_keeps_the_laws: u16,
    u8_keeps_the_laws: u8,
    f64_keeps_the_laws: f64,
    f32_keeps_the_laws: f32,
    string_keeps_the_laws: String,
    bytes_keep_the_laws: Vec<u8>,
);

#[test]
fn other_kinds_are_refused_by_name() {
    field_laws::refuse_other_kinds::<bool>(&["a bool"]);
    field_laws::refuse_other_kinds::<i64>(&["an integer"]);
    field_laws::refuse_other_kinds::<u8>(&["an integer"]);
    field_laws::refuse_other_kinds::<f64>(&["a float", "an integer"]);
    field_laws::refuse_other_kinds::<f32>(&["a float", "an integer"]);
    field_laws::refuse_other_kinds::<String>(&["text"]);
    field_laws::refuse_other_kinds::<Vec<u8>>(&["bytes"]);
    field_laws::refuse_other_kinds::<Option<i64>>(&["an integer", "null"]);
}

#[test]
fn null_columns_are_refused_unless_optional() {
    assert!(i64::from_column(&ColumnValue::Null).is_err());
    assert!(String::from_column(&ColumnValue::Null).is_err());
    assert_eq!(Option::<i64>::from_column(&ColumnValue::Null), Ok(None));
}

#[test]
fn an_integer_out_of_range_is_refused_and_not_wrapped() {
    let error = u8::from_value(&Value::Int(256)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an unsigned 8-bit integer, found `256`"
    );
    assert!(i32::from_column(&ColumnValue::Integer(1 << 40)).is_err());
    assert!(u32::from_value(&Value::Int(-1)).is_err());
}

#[test]
fn a_real_column_is_an_integer_only_where_it_is_exactly_one() {
    assert_eq!(i64::from_column(&ColumnValue::Real(3.0)), Ok(3));
    assert!(i64::from_column(&ColumnValue::Real(3.5)).is_err());
    assert!(i64::from_column(&ColumnValue::Real(1e300)).is_err());
    assert!(i64::from_column(&ColumnValue::Real(f64::NAN)).is_err());
}

#[test]
fn a_float_takes_only_integers_that_it_holds_exactly() {
    assert_eq!(f64::from_value(&Value::Int(1 << 53)), Ok(9_007_199_254_740_992.0));
    assert!(f64::from_value(&Value::Int((1 << 53) + 1)).is_err());
    assert_eq!(
        f64::from_value(&Value::Int(1 << 60)),
        Ok(1_152_921_504_606_846_976.0)
    );
    assert!(f64::from_value(&Value::Int(i64::MAX)).is_err());
    assert!(f32::from_value(&Value::Float(0.1)).is_err());
    assert!(f32::from_value(&Value::Int((1 << 24) + 1)).is_err());
}

#[test]
fn zero_has_one_column_text_whatever_its_sign() {
    assert_eq!(
        (-0.0_f64).to_column(Storage::Text),
        0.0_f64.to_column(Storage::Text)
    );
}

#[test]
fn an_open_value_keeps_what_a_column_holds() {
    proptest!(|(integer: i64, real: f64, text: String, blob: Vec<u8>)| {
        let columns = [
            ColumnValue::Null,
            ColumnValue::Integer(integer),
            ColumnValue::Real(real),
            ColumnValue::Text(text),
            ColumnValue::Blob(blob),
        ];
        for column in columns {
            let value = Value::from_column(&column).unwrap();
            let document = value.to_value();
            prop_assert_eq!(Value::from_value(&document).unwrap().to_column(Storage::Any), column);
        }
    });
    assert!(matches!(
        Value::from_value(&Value::List(vec![])),
        Err(FieldError::Kind { .. })
    ));
}
