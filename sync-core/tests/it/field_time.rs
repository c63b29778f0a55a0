//! The types of the time crate as fields.

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use ditto_sync_core::{column::ColumnValue, field::DittoField, value::Value};
use proptest::prelude::*;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::{database::Database, field_laws};

fn primitive(first_year: i32) -> impl Strategy<Value = PrimitiveDateTime> {
    let nanoseconds = prop_oneof![
        Just(0),
        (0..1_000_u32).prop_map(|millis| millis * 1_000_000),
        0..1_000_000_000_u32
    ];
    (
        first_year..=9998,
        1..=365_u16,
        0..24_u8,
        0..60_u8,
        0..60_u8,
        nanoseconds,
    )
        .prop_map(|(year, day, hour, minute, second, nanosecond)| {
            PrimitiveDateTime::new(
                Date::from_ordinal_date(year, day).unwrap(),
                Time::from_hms_nano(hour, minute, second, nanosecond).unwrap(),
            )
        })
}

fn offset(first_year: i32) -> impl Strategy<Value = OffsetDateTime> {
    (primitive(first_year), -1439..=1439_i32).prop_map(|(local, minutes)| {
        local.assume_offset(UtcOffset::from_whole_seconds(minutes * 60).unwrap())
    })
}

fn nearly() -> impl Strategy<Value = String> {
    "[0-9]{4}-[0-9]{1,2}-[0-3]?[0-9][ T]?([0-2]?[0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,10})?)?)?(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
}

#[test]
fn types_keep_the_laws() {
    proptest!(|(local in primitive(-9998), offset in offset(-9998))| {
        field_laws::hold_for(&local);
        field_laws::hold_for(&local.date());
        field_laws::hold_for(&local.time());
        field_laws::hold_for(&offset);
        let back = OffsetDateTime::from_value(&offset.to_value()).unwrap();
        prop_assert_eq!(back.offset(), offset.offset());
    });
}

#[test]
fn columns_are_what_sqlx_writes() {
    // RFC 3339 begins with the year 0, and sqlx refuses to write an earlier one.
    let database = Database::in_memory();
    proptest!(|(local in primitive(0), offset in offset(1))| {
        field_laws::agree_with_sqlx(&database, &local);
        field_laws::agree_with_sqlx(&database, &local.date());
        field_laws::agree_with_sqlx(&database, &local.time());
        field_laws::agree_with_sqlx(&database, &offset);
    });
}

#[test]
fn columns_of_other_code_are_read_as_sqlx_reads_them() {
    let database = Database::in_memory();
    proptest!(ProptestConfig::with_cases(1_000), |(text in nearly())| {
        let column = ColumnValue::Text(text);
        field_laws::read_like_sqlx::<OffsetDateTime>(&database, &column);
        field_laws::read_like_sqlx::<PrimitiveDateTime>(&database, &column);
        field_laws::read_like_sqlx::<Date>(&database, &column);
    });
    proptest!(|(text in "[0-2]?[0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,10})?)?", seconds in -10_000_000_000..10_000_000_000_i64)| {
        field_laws::read_like_sqlx::<Time>(&database, &ColumnValue::Text(text));
        field_laws::read_like_sqlx::<OffsetDateTime>(&database, &ColumnValue::Integer(seconds));
        field_laws::read_like_sqlx::<PrimitiveDateTime>(&database, &ColumnValue::Integer(seconds));
    });
}

#[test]
fn documents_are_the_same_as_those_of_chrono() {
    proptest!(|(local in primitive(-9998), offset in offset(-9998))| {
        let naive = NaiveDateTime::from_value(&local.to_value()).unwrap();
        prop_assert_eq!(naive.to_value(), local.to_value());
        let fixed = DateTime::<FixedOffset>::from_value(&offset.to_value()).unwrap();
        prop_assert_eq!(fixed.to_value(), offset.to_value());
        prop_assert_eq!(fixed.timestamp(), offset.unix_timestamp());
    });
}

#[test]
fn a_document_text_without_zone_is_never_guessed_to_be_utc() {
    assert!(OffsetDateTime::from_value(&"2024-05-06T07:08:09".into()).is_err());
    assert!(OffsetDateTime::from_value(&"2024-05-06 07:08:09.5".into()).is_err());
    assert!(PrimitiveDateTime::from_value(&"2024-05-06T07:08:09Z".into()).is_err());
    assert!(OffsetDateTime::from_value(&"2024-05-06 07:08:09Z".into()).is_ok());
}

#[test]
fn an_offset_with_seconds_keeps_its_instant() {
    let offset = UtcOffset::from_hms(3, 0, 59).unwrap();
    let value = OffsetDateTime::from_unix_timestamp(1_700_000_000)
        .unwrap()
        .to_offset(offset);
    field_laws::hold_for(&value);
    assert_eq!(value.to_value(), Value::from("2023-11-14T22:13:20Z"));
}

#[test]
fn other_kinds_are_refused_by_name() {
    field_laws::refuse_other_kinds::<OffsetDateTime>(&["text"]);
    field_laws::refuse_other_kinds::<PrimitiveDateTime>(&["text"]);
    field_laws::refuse_other_kinds::<Date>(&["text"]);
    field_laws::refuse_other_kinds::<Time>(&["text"]);
}
