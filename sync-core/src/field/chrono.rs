//! `DittoField` for the types of `chrono`. Columns are written and read as sqlx does; documents hold canonical ISO 8601 text.
//!
//! Columns and documents differ in one point: a column text without zone is UTC for the zoned types, because sqlx reads it so and SQLite's
//! `CURRENT_TIMESTAMP` writes it so. A document text without zone may come from any peer, so there it is an error and never a guess.

use ::chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, SecondsFormat, TimeZone,
    Timelike, Utc,
};

use super::{DittoField, FieldError, FieldKind, Storage, iso};
use crate::{column::ColumnValue, value::Value};

const ZONED: &str = "a date-time in RFC 3339, with its zone";
const NAIVE: &str = "a date-time in ISO 8601, without zone";
const DATE: &str = "a date in ISO 8601";
const TIME: &str = "a time of day in ISO 8601, without zone";

macro_rules! zoned_field {
    ($($zone:ty, $from_fixed:expr);+ $(;)?) => {
        $(impl DittoField for DateTime<$zone> {
            const KIND: FieldKind = FieldKind::Text;
            const STORAGE: Storage = Storage::Text;
            const NEVER_NUMERIC: bool = true;

            fn to_value(&self) -> Value {
                Value::Text(zoned_to_document(whole_minutes(self)))
            }

            fn from_value(value: &Value) -> Result<Self, FieldError> {
                let text = document_text(value, ZONED)?;
                let zoned = zoned_from_text(text).ok_or_else(|| FieldError::content(ZONED, text))?;
                Ok($from_fixed(zoned))
            }

            fn to_column(&self, storage: Storage) -> ColumnValue {
                let zoned = whole_minutes(self);
                seconds_column(zoned, storage)
                    .unwrap_or_else(|| ColumnValue::Text(zoned.to_rfc3339_opts(SecondsFormat::AutoSi, false)))
            }

            fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
                date_time_from_column(column, ZONED).map($from_fixed)
            }
        })+
    };
}

zoned_field!(Utc, |zoned: DateTime<FixedOffset>| zoned.with_timezone(&Utc); FixedOffset, |zoned: DateTime<FixedOffset>| zoned);

impl DittoField for NaiveDateTime {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(naive_to_document(*self))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        let text = document_text(value, NAIVE)?;
        naive_from_text(text).ok_or_else(|| FieldError::content(NAIVE, text))
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        seconds_column(self.and_utc().fixed_offset(), storage)
            .unwrap_or_else(|| ColumnValue::Text(self.format("%F %T%.f").to_string()))
    }

    /// A column text with a zone is read as the local time it shows, as sqlx reads it.
    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        Ok(date_time_from_column(column, NAIVE)?.naive_local())
    }
}

impl DittoField for NaiveDate {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(date_to_document(*self))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        date_from_text(document_text(value, DATE)?)
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(self.format("%F").to_string())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        date_from_text(column_text(column, DATE)?)
    }
}

impl DittoField for NaiveTime {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(time_to_document(*self))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        time_from_text(document_text(value, TIME)?, &["%T%.f", "%R"])
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(self.format("%T%.f").to_string())
    }

    /// A zone in a column text is dropped, as sqlx drops it.
    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        const FORMATS: [&str; 6] = ["%T%.f", "%R", "%RZ", "%T%.fZ", "%R%:z", "%T%.f%:z"];
        time_from_text(column_text(column, TIME)?, &FORMATS)
    }
}

fn document_text<'a>(value: &'a Value, expected: &'static str) -> Result<&'a str, FieldError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(FieldError::value_kind(expected, other)),
    }
}

fn column_text<'a>(column: &'a ColumnValue, expected: &'static str) -> Result<&'a str, FieldError> {
    match column {
        ColumnValue::Text(text) => Ok(text),
        other => Err(FieldError::column_class(expected, other)),
    }
}

/// The same instant in a zone of whole minutes: text has no seconds of offset, and the formatter would round the instant away.
fn whole_minutes<Z: TimeZone>(zoned: &DateTime<Z>) -> DateTime<FixedOffset> {
    let fixed = zoned.offset().fix();
    let whole = FixedOffset::east_opt(fixed.local_minus_utc() / 60 * 60).unwrap_or(fixed);
    zoned.with_timezone(&whole)
}

fn zoned_to_document(zoned: DateTime<FixedOffset>) -> String {
    let offset = iso::offset(zoned.offset().local_minus_utc() / 60);
    naive_to_document(zoned.naive_local()) + &offset
}

fn naive_to_document(naive: NaiveDateTime) -> String {
    format!(
        "{}T{}",
        date_to_document(naive.date()),
        time_to_document(naive.time())
    )
}

fn date_to_document(date: NaiveDate) -> String {
    iso::date(date.year(), date.month(), date.day())
}

/// chrono counts a leap second as a 59th second with more than 10^9 nanoseconds; text calls it the 60th.
fn time_to_document(time: NaiveTime) -> String {
    const SECOND: u32 = 1_000_000_000;
    let nanosecond = time.nanosecond();
    iso::time(
        time.hour(),
        time.minute(),
        time.second() + nanosecond / SECOND,
        nanosecond % SECOND,
    )
}

/// Whole seconds since 1970, which sqlx reads from INTEGER columns. A fraction or an offset does not fit, so it stays text, which sqlx
/// reads as well.
fn seconds_column(zoned: DateTime<FixedOffset>, storage: Storage) -> Option<ColumnValue> {
    let fits = zoned.nanosecond() == 0 && zoned.offset().local_minus_utc() == 0;
    (storage == Storage::Integer && fits).then(|| ColumnValue::Integer(zoned.timestamp()))
}

fn date_time_from_column(
    column: &ColumnValue,
    expected: &'static str,
) -> Result<DateTime<FixedOffset>, FieldError> {
    let (found, shown) = match column {
        ColumnValue::Text(text) => {
            let naive = || naive_from_text(text).map(|naive| naive.and_utc().fixed_offset());
            (zoned_from_text(text).or_else(naive), text.clone())
        }
        ColumnValue::Integer(seconds) => (
            DateTime::from_timestamp(*seconds, 0).map(|utc| utc.fixed_offset()),
            seconds.to_string(),
        ),
        ColumnValue::Real(days) => (from_julian_days(*days), days.to_string()),
        other => return Err(FieldError::column_class(expected, other)),
    };
    found.ok_or_else(|| FieldError::content(expected, shown))
}

/// Julian days, computed as sqlx computes them, so that the app and the engine read the same instant.
fn from_julian_days(days: f64) -> Option<DateTime<FixedOffset>> {
    const EPOCH: f64 = 2_440_587.5;
    const SECONDS_IN_DAY: f64 = 86_400.0;
    let seconds = (days - EPOCH) * SECONDS_IN_DAY;
    if !seconds.is_finite() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a saturated number of seconds is out of range below, and a fraction is below 10^9 nanoseconds"
    )]
    let (whole, nanoseconds) = (seconds.trunc() as i64, (seconds.fract() * 1e9).abs() as u32);
    DateTime::from_timestamp(whole, nanoseconds).map(|utc| utc.fixed_offset())
}

/// The formats that sqlx reads and that name a zone.
fn zoned_from_text(text: &str) -> Option<DateTime<FixedOffset>> {
    const WITH_OFFSET: [&str; 4] = ["%F %R%:z", "%F %T%.f%:z", "%FT%R%:z", "%FT%T%.f%:z"];
    const WITH_Z: [&str; 4] = ["%F %RZ", "%F %T%.fZ", "%FT%RZ", "%FT%T%.fZ"];
    let with_offset = || {
        WITH_OFFSET
            .iter()
            .find_map(|format| DateTime::parse_from_str(text, format).ok())
    };
    let with_z = || naive_in_formats(text, &WITH_Z).map(|naive| naive.and_utc().fixed_offset());
    DateTime::parse_from_rfc3339(text)
        .ok()
        .or_else(with_offset)
        .or_else(with_z)
}

/// The formats that sqlx reads and that name no zone.
fn naive_from_text(text: &str) -> Option<NaiveDateTime> {
    naive_in_formats(text, &["%F %T%.f", "%F %R", "%FT%R", "%FT%T%.f"])
}

fn naive_in_formats(text: &str, formats: &[&str]) -> Option<NaiveDateTime> {
    formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn date_from_text(text: &str) -> Result<NaiveDate, FieldError> {
    NaiveDate::parse_from_str(text, "%F").map_err(|_| FieldError::content(DATE, text))
}

fn time_from_text(text: &str, formats: &[&str]) -> Result<NaiveTime, FieldError> {
    formats
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
        .ok_or_else(|| FieldError::content(TIME, text))
}
