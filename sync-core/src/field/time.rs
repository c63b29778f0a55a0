//! `DittoField` for the types of `time`. Columns are written and read as sqlx does; documents hold canonical ISO 8601 text, the same as
//! for the types of `chrono`.
//!
//! As there, a text without zone is UTC for the zoned type in a column, where sqlx reads it so, and an error in a document.

use ::time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset,
    format_description::{StaticFormatDescription, well_known::Rfc3339},
    macros::format_description,
};

use super::{DittoField, FieldError, FieldKind, Storage, iso};
use crate::{column::ColumnValue, value::Value};

const ZONED: &str = "a date-time in RFC 3339, with its zone";
const NAIVE: &str = "a date-time in ISO 8601, without zone";
const DATE: &str = "a date in ISO 8601";
const TIME: &str = "a time of day in ISO 8601, without zone";

/// What sqlx reads beside RFC 3339.
const OFFSET_FORMAT: StaticFormatDescription = format_description!(
    version = 2,
    "[year]-[month]-[day][optional [ ]][optional [T]][hour]:[minute][optional [:]][optional [[second]]][optional [.]]\
     [optional [[subsecond]]][optional [[offset_hour sign:mandatory]]][optional [:]][optional [[offset_minute]]]"
);
const SPACE_FORMAT: StaticFormatDescription = format_description!(
    version = 2,
    "[year]-[month]-[day] [hour]:[minute][optional [:]][optional [[second]]][optional [.]][optional [[subsecond]]]"
);
const T_FORMAT: StaticFormatDescription = format_description!(
    version = 2,
    "[year]-[month]-[day]T[hour]:[minute][optional [:]][optional [[second]]][optional [.]][optional [[subsecond]]]"
);
const DATE_FORMAT: StaticFormatDescription = format_description!("[year]-[month]-[day]");
const TIME_FORMATS: [StaticFormatDescription; 3] = [
    format_description!("[hour]:[minute]:[second].[subsecond]"),
    format_description!("[hour]:[minute]:[second]"),
    format_description!("[hour]:[minute]"),
];

impl DittoField for OffsetDateTime {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(zoned_text(nameable(*self)))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        let text = document_text(value, ZONED)?;
        zoned_from_text(text).ok_or_else(|| FieldError::content(ZONED, text))
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        // Whole seconds since 1970 hold neither a fraction nor an offset: those stay text, which sqlx reads as well.
        let zoned = nameable(*self);
        if storage == Storage::Integer && zoned.nanosecond() == 0 && zoned.offset() == UtcOffset::UTC {
            return ColumnValue::Integer(zoned.unix_timestamp());
        }
        ColumnValue::Text(zoned_text(zoned))
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        let (found, shown) = match column {
            ColumnValue::Text(text) => {
                let naive = || naive_from_text(text).map(PrimitiveDateTime::assume_utc);
                (zoned_from_text(text).or_else(naive), text.clone())
            }
            ColumnValue::Integer(seconds) => (Self::from_unix_timestamp(*seconds).ok(), seconds.to_string()),
            other => return Err(FieldError::column_class(ZONED, other)),
        };
        found.ok_or_else(|| FieldError::content(ZONED, shown))
    }
}

impl DittoField for PrimitiveDateTime {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(format!("{}T{}", date_text(self.date()), time_text(self.time())))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        let text = document_text(value, NAIVE)?;
        naive_from_text(text).ok_or_else(|| FieldError::content(NAIVE, text))
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        if storage == Storage::Integer && self.nanosecond() == 0 {
            return ColumnValue::Integer(self.assume_utc().unix_timestamp());
        }
        ColumnValue::Text(format!(
            "{} {}",
            date_text(self.date()),
            time_column_text(self.time())
        ))
    }

    /// A `Z` in a column text is dropped, as sqlx drops it.
    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        let (found, shown) = match column {
            ColumnValue::Text(text) => (
                naive_from_text(text.strip_suffix('Z').unwrap_or(text)),
                text.clone(),
            ),
            ColumnValue::Integer(seconds) => {
                let utc = OffsetDateTime::from_unix_timestamp(*seconds).ok();
                let naive = utc.map(|utc| Self::new(utc.date(), utc.time()));
                (naive, seconds.to_string())
            }
            other => return Err(FieldError::column_class(NAIVE, other)),
        };
        found.ok_or_else(|| FieldError::content(NAIVE, shown))
    }
}

impl DittoField for Date {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(date_text(*self))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        date_from_text(document_text(value, DATE)?)
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(date_text(*self))
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Text(text) => date_from_text(text),
            other => Err(FieldError::column_class(DATE, other)),
        }
    }
}

impl DittoField for Time {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(time_text(*self))
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        time_from_text(document_text(value, TIME)?)
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(time_column_text(*self))
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Text(text) => time_from_text(text),
            other => Err(FieldError::column_class(TIME, other)),
        }
    }
}

fn document_text<'a>(value: &'a Value, expected: &'static str) -> Result<&'a str, FieldError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(FieldError::value_kind(expected, other)),
    }
}

/// The same instant in an offset that RFC 3339 can name: seconds of offset, or a day and more, become UTC.
fn nameable(zoned: OffsetDateTime) -> OffsetDateTime {
    let (hours, _, seconds) = zoned.offset().as_hms();
    if seconds == 0 && hours.abs() < 24 {
        return zoned;
    }
    zoned.checked_to_offset(UtcOffset::UTC).unwrap_or(zoned)
}

/// RFC 3339, which is also what sqlx writes.
fn zoned_text(zoned: OffsetDateTime) -> String {
    format!(
        "{}T{}{}",
        date_text(zoned.date()),
        time_text(zoned.time()),
        iso::offset(zoned.offset().whole_minutes().into())
    )
}

fn date_text(date: Date) -> String {
    iso::date(date.year(), u8::from(date.month()).into(), date.day().into())
}

fn time_text(time: Time) -> String {
    iso::time(
        time.hour().into(),
        time.minute().into(),
        time.second().into(),
        time.nanosecond(),
    )
}

/// sqlx writes at least one digit of fraction.
fn time_column_text(time: Time) -> String {
    let mut text = time_text(time);
    if time.nanosecond() == 0 {
        text.push_str(".0");
    }
    text
}

fn zoned_from_text(text: &str) -> Option<OffsetDateTime> {
    let with_z = || {
        text.strip_suffix('Z')
            .and_then(naive_from_text)
            .map(PrimitiveDateTime::assume_utc)
    };
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, OFFSET_FORMAT))
        .ok()
        .or_else(with_z)
}

fn naive_from_text(text: &str) -> Option<PrimitiveDateTime> {
    [SPACE_FORMAT, T_FORMAT]
        .into_iter()
        .find_map(|format| PrimitiveDateTime::parse(text, format).ok())
}

fn date_from_text(text: &str) -> Result<Date, FieldError> {
    Date::parse(text, DATE_FORMAT).map_err(|_| FieldError::content(DATE, text))
}

fn time_from_text(text: &str) -> Result<Time, FieldError> {
    TIME_FORMATS
        .into_iter()
        .find_map(|format| Time::parse(text, format).ok())
        .ok_or_else(|| FieldError::content(TIME, text))
}
