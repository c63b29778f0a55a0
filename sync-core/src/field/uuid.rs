//! `DittoField` for `uuid::Uuid`: 16 bytes in the column, as sqlx writes it, or hyphenated text where the field's storage is text;
//! hyphenated lower-case text in documents.

use ::uuid::Uuid;

use super::{DittoField, FieldError, FieldKind, Storage};
use crate::{column::ColumnValue, value::Value};

const UUID: &str = "a UUID";

impl DittoField for Uuid {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Blob;
    const NEVER_NUMERIC: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(self.hyphenated().to_string())
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Text(text) => parse(text),
            other => Err(FieldError::value_kind(UUID, other)),
        }
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        match storage {
            Storage::Text => ColumnValue::Text(self.hyphenated().to_string()),
            _ => ColumnValue::Blob(self.as_bytes().to_vec()),
        }
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Blob(bytes) => Self::from_slice(bytes)
                .map_err(|_| FieldError::content("a UUID of 16 bytes", format!("{} bytes", bytes.len()))),
            ColumnValue::Text(text) => parse(text),
            other => Err(FieldError::column_class(UUID, other)),
        }
    }
}

/// Every spelling of a UUID names one value, so all of them are taken.
fn parse(text: &str) -> Result<Uuid, FieldError> {
    Uuid::parse_str(text).map_err(|_| FieldError::content(UUID, text))
}
