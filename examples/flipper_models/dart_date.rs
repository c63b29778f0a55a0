//! Dates as Dart writes them: [`DartDate`]. Not here: which fields hold one (`models`).

use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use ditto_sync::{ColumnValue, DittoField, FieldError, FieldKind, Storage, Value};

const EXPECTED: &str = "an ISO date-time, with or without zone";

/// A `DateTime` of Dart, which `toIso8601String` writes with a `Z` where it is UTC, and with nothing where it is local time.
///
/// Whose local time the document does not say, so it stays what it is: guessing a zone here would move every sale by some hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DartDate {
    /// An instant.
    Utc(DateTime<Utc>),
    /// What the clock on the wall showed, somewhere.
    Local(NaiveDateTime),
}

impl DartDate {
    /// Milliseconds, or microseconds where there are some, as Dart does; nanoseconds only where another program left some.
    fn to_text(self) -> String {
        let (naive, zone) = match self {
            Self::Utc(instant) => (instant.naive_utc(), "Z"),
            Self::Local(naive) => (naive, ""),
        };
        let seconds = match naive.nanosecond() {
            nanoseconds if nanoseconds % 1_000_000 == 0 => "%.3f",
            nanoseconds if nanoseconds % 1_000 == 0 => "%.6f",
            _ => "%.9f",
        };
        let date_time = naive.format("%Y-%m-%dT%H:%M:%S");
        format!("{date_time}{}{zone}", naive.format(seconds))
    }

    fn from_text(text: &str) -> Result<Self, FieldError> {
        let value = Value::from(text);
        DateTime::<Utc>::from_value(&value)
            .map(Self::Utc)
            .or_else(|_| NaiveDateTime::from_value(&value).map(Self::Local))
            .map_err(|_| FieldError::content(EXPECTED, text))
    }
}

impl DittoField for DartDate {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        self.to_text().into()
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Text(text) => Self::from_text(text),
            other => Err(FieldError::value_kind(EXPECTED, other)),
        }
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(self.to_text())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Text(text) => Self::from_text(text),
            other => Err(FieldError::column_class(EXPECTED, other)),
        }
    }
}
