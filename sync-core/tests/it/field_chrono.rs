//! The types of chrono as fields.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use ditto_sync_core::{
    column::ColumnValue,
    field::{DittoField, Storage},
    value::Value,
};
use proptest::prelude::*;

use crate::{database::Database, field_laws};

const SECOND: u32 = 1_000_000_000;

fn nanoseconds() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        (0..1_000_u32).prop_map(|millis| millis * 1_000_000),
        (0..1_000_000_u32).prop_map(|micros| micros * 1_000),
        0..SECOND,
    ]
}

fn naive() -> impl Strategy<Value = NaiveDateTime> {
    let years = prop_oneof![8 => 1900..2200, 1 => -20_000..20_000];
    (years, 1..=366_u32, 0..86_400_u32, nanoseconds(), any::<bool>()).prop_filter_map(
        "a day that the year does not have",
        |(year, day, second, nanosecond, leap)| {
            let leap = if leap && second % 60 == 59 { SECOND } else { 0 };
            let time = NaiveTime::from_num_seconds_from_midnight_opt(second, nanosecond + leap)?;
            Some(NaiveDate::from_yo_opt(year, day)?.and_time(time))
        },
    )
}

fn fixed() -> impl Strategy<Value = DateTime<FixedOffset>> {
    (naive(), -1439..=1439_i32).prop_map(|(naive, minutes)| {
        FixedOffset::east_opt(minutes * 60)
            .unwrap()
            .from_utc_datetime(&naive)
    })
}

/// Text that is a date-time, or nearly one.
fn nearly() -> impl Strategy<Value = String> {
    "[+-]?[0-9]{4}-[0-9]{1,2}-[0-3]?[0-9][ T]?([0-2]?[0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,10})?)?)?(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
}

#[test]
fn date_times_keep_the_laws() {
    let database = Database::in_memory();
    proptest!(|(naive in naive(), fixed in fixed())| {
        field_laws::hold_for(&naive);
        field_laws::hold_for(&naive.and_utc());
        field_laws::hold_for(&fixed);
        let read = DateTime::<FixedOffset>::from_value(&fixed.to_value()).unwrap();
        prop_assert_eq!(read.offset(), fixed.offset());
        field_laws::agree_with_sqlx(&database, &naive);
        field_laws::agree_with_sqlx(&database, &naive.and_utc());
        field_laws::agree_with_sqlx(&database, &fixed);
    });
}

#[test]
fn dates_and_times_keep_the_laws() {
    let database = Database::in_memory();
    proptest!(|(naive in naive())| {
        field_laws::hold_for(&naive.date());
        field_laws::hold_for(&naive.time());
        field_laws::agree_with_sqlx(&database, &naive.date());
        field_laws::agree_with_sqlx(&database, &naive.time());
    });
}

#[test]
fn columns_of_other_code_are_read_as_sqlx_reads_them() {
    let database = Database::in_memory();
    proptest!(ProptestConfig::with_cases(1_000), |(text in nearly())| {
        let column = ColumnValue::Text(text);
        field_laws::read_like_sqlx::<DateTime<Utc>>(&database, &column);
        field_laws::read_like_sqlx::<DateTime<FixedOffset>>(&database, &column);
        field_laws::read_like_sqlx::<NaiveDateTime>(&database, &column);
        field_laws::read_like_sqlx::<NaiveDate>(&database, &column);
    });
    proptest!(|(text in "[0-2]?[0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,10})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?")| {
        field_laws::read_like_sqlx::<NaiveTime>(&database, &ColumnValue::Text(text));
    });
    proptest!(|(seconds: i64, near in -10_000_000_000..10_000_000_000_i64, days in 0.0..5_000_000.0)| {
        for column in [ColumnValue::Integer(seconds), ColumnValue::Integer(near), ColumnValue::Real(days)] {
            field_laws::read_like_sqlx::<DateTime<Utc>>(&database, &column);
            field_laws::read_like_sqlx::<NaiveDateTime>(&database, &column);
        }
    });
}

#[test]
fn an_offset_of_a_day_is_refused_though_sqlx_ignores_it() {
    let column = ColumnValue::Text("2024-05-06T07:08+24:00".into());
    assert!(DateTime::<Utc>::from_column(&column).is_err());
    let read = Database::in_memory().read_by_sqlx::<DateTime<Utc>>(&column);
    assert_eq!(
        read.unwrap().to_rfc3339(),
        "2024-05-06T07:08:00+00:00",
        "sqlx refuses it too now: drop the exception"
    );
}

#[test]
fn every_document_text_that_is_read_has_one_canonical_form() {
    proptest!(ProptestConfig::with_cases(1_000), |(text in nearly())| {
        if let Ok(read) = DateTime::<Utc>::from_value(&Value::Text(text.clone())) {
            field_laws::hold_for(&read);
        }
        if let Ok(read) = NaiveDateTime::from_value(&Value::Text(text)) {
            field_laws::hold_for(&read);
        }
    });
}

#[test]
fn a_document_has_the_shortest_exact_text() {
    let utc = |text: &str| DateTime::<Utc>::from_value(&text.into()).unwrap().to_value();
    assert_eq!(
        utc("2024-05-06T07:08:09.500+00:00"),
        "2024-05-06T07:08:09.5Z".into()
    );
    assert_eq!(utc("2024-05-06 09:08+02:00"), "2024-05-06T07:08:00Z".into());
    assert_eq!(utc("2016-12-31T23:59:60Z"), "2016-12-31T23:59:60Z".into());
    let fixed = DateTime::<FixedOffset>::from_value(&"2024-05-06T07:08:09.000100-03:30".into()).unwrap();
    assert_eq!(fixed.to_value(), "2024-05-06T07:08:09.0001-03:30".into());
    let naive = NaiveDateTime::from_value(&"2024-05-06 07:08:09.250".into()).unwrap();
    assert_eq!(naive.to_value(), "2024-05-06T07:08:09.25".into());
}

#[test]
fn a_document_text_without_zone_is_never_guessed_to_be_utc() {
    let naive = Value::from("2024-05-06T07:08:09");
    let error = DateTime::<Utc>::from_value(&naive).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a date-time in RFC 3339, with its zone, found `2024-05-06T07:08:09`"
    );
    assert!(DateTime::<FixedOffset>::from_value(&naive).is_err());
    assert!(NaiveDateTime::from_value(&"2024-05-06T07:08:09Z".into()).is_err());
    assert!(NaiveDateTime::from_value(&"2024-05-06T07:08:09+02:00".into()).is_err());
    assert!(NaiveTime::from_value(&"07:08:09Z".into()).is_err());
}

#[test]
fn an_integer_column_keeps_what_does_not_fit_into_seconds() {
    let whole = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let fraction = DateTime::from_timestamp(1_700_000_000, 1).unwrap();
    assert_eq!(
        whole.to_column(Storage::Integer),
        ColumnValue::Integer(1_700_000_000)
    );
    assert_eq!(
        fraction.to_column(Storage::Integer),
        ColumnValue::Text("2023-11-14T22:13:20.000000001+00:00".into())
    );
}

#[test]
fn seconds_of_an_offset_do_not_move_the_instant() {
    let offset = FixedOffset::east_opt(3 * 3600 + 59).unwrap();
    let value = offset.timestamp_opt(1_700_000_000, 0).unwrap();
    field_laws::hold_for(&value);
}

#[test]
fn other_kinds_are_refused_by_name() {
    field_laws::refuse_other_kinds::<DateTime<Utc>>(&["text"]);
    field_laws::refuse_other_kinds::<NaiveDateTime>(&["text"]);
    field_laws::refuse_other_kinds::<NaiveDate>(&["text"]);
    field_laws::refuse_other_kinds::<NaiveTime>(&["text"]);
}
