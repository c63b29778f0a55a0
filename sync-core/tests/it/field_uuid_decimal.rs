//! UUIDs and decimals as fields.

use ditto_sync_core::{
    column::ColumnValue,
    field::{DittoField, Storage},
    value::Value,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{database::Database, field_laws};

fn decimal() -> impl Strategy<Value = Decimal> {
    (
        -79_228_162_514_264_337_593_543_950_335_i128..=79_228_162_514_264_337_593_543_950_335,
        0..=28_u32,
    )
        .prop_map(|(digits, scale)| Decimal::from_i128_with_scale(digits, scale))
}

#[test]
fn uuids_keep_the_laws_and_agree_with_sqlx() {
    let database = Database::in_memory();
    proptest!(|(bytes: [u8; 16])| {
        let uuid = Uuid::from_bytes(bytes);
        field_laws::hold_for(&uuid);
        field_laws::agree_with_sqlx(&database, &uuid);
        let text = uuid.to_column(Storage::Text);
        prop_assert_eq!(database.written_by_sqlx(uuid.hyphenated()), text);
    });
}

#[test]
fn every_spelling_of_a_uuid_is_read_and_one_is_written() {
    let canonical = Value::from("0189d9c2-7e5a-7c3b-9d5e-2f4a6b8c0d1e");
    for spelling in [
        "0189D9C2-7E5A-7C3B-9D5E-2F4A6B8C0D1E",
        "0189d9c27e5a7c3b9d5e2f4a6b8c0d1e",
        "{0189d9c2-7e5a-7c3b-9d5e-2f4a6b8c0d1e}",
        "urn:uuid:0189d9c2-7e5a-7c3b-9d5e-2f4a6b8c0d1e",
    ] {
        assert_eq!(Uuid::from_value(&spelling.into()).unwrap().to_value(), canonical);
    }
    assert!(Uuid::from_value(&"0189d9c2".into()).is_err());
    assert!(Uuid::from_column(&ColumnValue::Blob(vec![0; 15])).is_err());
}

#[test]
fn decimals_keep_the_laws_and_equal_ones_have_one_text() {
    proptest!(|(decimal in decimal())| {
        field_laws::hold_for(&decimal);
        let normal = decimal.normalize();
        prop_assert_eq!(normal.to_column(Storage::Text), decimal.to_column(Storage::Text));
    });
    let text = |text: &str| Decimal::from_value(&text.into()).map(|decimal| decimal.to_value());
    assert_eq!(text("12.50"), Ok("12.5".into()));
    assert_eq!(text("-0.00"), Ok("0".into()));
    assert_eq!(
        Decimal::from_value(&Value::Int(-3)).unwrap().to_value(),
        "-3".into()
    );
}

#[test]
fn a_decimal_is_never_rounded_and_never_guessed_from_a_float() {
    assert!(Decimal::from_value(&"0.12345678901234567890123456789012345".into()).is_err());
    assert!(Decimal::from_value(&Value::Float(0.1)).is_err());
    assert!(Decimal::from_column(&ColumnValue::Real(0.1)).is_err());
    assert!(Decimal::from_value(&"twelve".into()).is_err());
}

#[test]
fn other_kinds_are_refused_by_name() {
    field_laws::refuse_other_kinds::<Uuid>(&["text"]);
    field_laws::refuse_other_kinds::<Decimal>(&["text", "an integer"]);
}
