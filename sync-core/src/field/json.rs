//! `DittoField` for `serde_json::Value`: JSON text in the column, as sqlx writes it; a list, a map or a scalar in documents.
//!
//! The column text is compact with sorted keys, whatever order the value or other code had.

use serde_json::{Map, Number, Value as Json};

use super::{DittoField, FieldError, FieldKind, Storage};
use crate::{column::ColumnValue, value::Value};

const JSON: &str = "a value that JSON can hold";

/// JSON null is `Value::Null` in documents and the text `null` in columns. An `Option` around it reads both back as `None`.
///
/// An integer above `i64::MAX` has no document value. As a column it is refused; in a struct it becomes a NaN, which
/// [`Value::validate`] refuses, so that it is never sent as another number.
impl DittoField for Json {
    const KIND: FieldKind = FieldKind::Json;
    const STORAGE: Storage = Storage::Text;

    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(number) => number_to_value(number).unwrap_or(Value::Float(f64::NAN)),
            Self::String(text) => Value::Text(text.clone()),
            Self::Array(items) => Value::List(items.iter().map(Self::to_value).collect()),
            Self::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(name, item)| (name.clone(), item.to_value()))
                    .collect(),
            ),
        }
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Int(integer) => Self::Number((*integer).into()),
            Value::Float(float) => {
                Self::Number(Number::from_f64(*float).ok_or_else(|| FieldError::content(JSON, float))?)
            }
            Value::Text(text) => Self::String(text.clone()),
            Value::Bytes(_) => return Err(FieldError::value_kind(JSON, value)),
            Value::List(items) => Self::Array(items.iter().map(Self::from_value).collect::<Result<_, _>>()?),
            Value::Map(entries) => Self::Object(
                entries
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), Self::from_value(item)?)))
                    .collect::<Result<Map<_, _>, FieldError>>()?,
            ),
        })
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(canonical(self).to_string())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        let ColumnValue::Text(text) = column else {
            return Err(FieldError::column_class("JSON text", column));
        };
        let json: Self = serde_json::from_str(text).map_err(|_| FieldError::content("JSON text", text))?;
        match unsupported_number(&json) {
            Some(number) => Err(FieldError::content(
                "JSON with integers up to 64 bits signed",
                number,
            )),
            None => Ok(json),
        }
    }
}

fn number_to_value(number: &Number) -> Option<Value> {
    if let Some(integer) = number.as_i64() {
        return Some(Value::Int(integer));
    }
    if number.is_u64() {
        return None;
    }
    number
        .as_f64()
        .filter(|float| float.is_finite())
        .map(Value::Float)
}

fn unsupported_number(json: &Json) -> Option<&Number> {
    match json {
        Json::Number(number) if number_to_value(number).is_none() => Some(number),
        Json::Array(items) => items.iter().find_map(unsupported_number),
        Json::Object(entries) => entries.values().find_map(unsupported_number),
        _ => None,
    }
}

/// Equal values have one text: keys sorted (the crate may be built to keep their order), no negative zero.
fn canonical(json: &Json) -> Json {
    match json {
        Json::Number(number) if number.as_f64() == Some(0.0) && number.is_f64() => 0.0.into(),
        Json::Array(items) => Json::Array(items.iter().map(canonical).collect()),
        Json::Object(entries) => {
            let mut sorted: Vec<_> = entries
                .iter()
                .map(|(name, item)| (name.clone(), canonical(item)))
                .collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::Object(sorted.into_iter().collect())
        }
        other => other.clone(),
    }
}
