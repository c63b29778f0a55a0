//! `DittoField` for `rust_decimal::Decimal`: text in the column and in documents, because a float would not hold it exactly.
//!
//! Trailing zeros are not kept: equal decimals have one text. Floats are refused everywhere: which decimal a float was meant to be is a
//! guess. So a column declared `DECIMAL`, where SQLite turns text into floats, does not do; it has to be `TEXT`.

use rust_decimal::Decimal;

use super::{DittoField, FieldError, FieldKind, Storage};
use crate::{column::ColumnValue, value::Value};

const DECIMAL: &str = "a decimal, as text or an integer";

impl DittoField for Decimal {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.normalize().to_string())
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Text(text) => parse(text),
            Value::Int(integer) => Ok(Self::from(*integer)),
            other => Err(FieldError::value_kind(DECIMAL, other)),
        }
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(self.normalize().to_string())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Text(text) => parse(text),
            ColumnValue::Integer(integer) => Ok(Self::from(*integer)),
            other => Err(FieldError::column_class(DECIMAL, other)),
        }
    }
}

/// Exactly, or not at all: more digits than a decimal holds are an error, not a rounding.
fn parse(text: &str) -> Result<Decimal, FieldError> {
    Decimal::from_str_exact(text).map_err(|_| FieldError::content(DECIMAL, text))
}
