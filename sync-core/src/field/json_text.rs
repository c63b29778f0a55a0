//! `#[ditto(json)]`: any serde type as JSON text in the column and as a list, a map or a scalar in documents.
//!
//! The text and the value are those of `DittoField for serde_json::Value`. Between column and document nothing passes through the Rust type,
//! which is only asked whether it can read them: so entries of a map that the type does not know are kept, as unknown document fields are.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::{DittoField, FieldError, FieldKind, Storage, conversion::Conversion};
use crate::{column::ColumnValue, value::Value};

/// A type that serde can write and read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a `json` field of a `DittoAdapter`",
    label = "serde cannot both write and read this type",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` on the type"
)]
pub trait JsonField: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> JsonField for T {}

/// The conversion of a `json` field.
#[derive(Debug)]
pub(crate) struct ByJson<T>(PhantomData<T>);

/// The conversion of a `json` field whose type holds JSON null, as an `Option`: NULL in the column.
#[derive(Debug)]
pub(crate) struct ByJsonOrNull<T>(PhantomData<T>);

impl<T: JsonField> Conversion for ByJson<T> {
    type Field = T;
    const KIND: FieldKind = FieldKind::Json;
    const STORAGE: Storage = Storage::Text;

    fn encode(field: &T) -> Value {
        encode(field)
    }

    fn decode(column: &ColumnValue) -> Result<T, FieldError> {
        read(&Json::from_column(column)?)
    }

    fn to_value(column: &ColumnValue) -> Result<Value, FieldError> {
        let json = Json::from_column(column)?;
        read::<T>(&json)?;
        Ok(json.to_value())
    }

    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError> {
        let json = Json::from_value(value)?;
        read::<T>(&json)?;
        Ok(json.to_column(storage))
    }
}

impl<T: JsonField> Conversion for ByJsonOrNull<T> {
    type Field = T;
    const KIND: FieldKind = FieldKind::Json;
    const STORAGE: Storage = Storage::Text;
    const NULLABLE: bool = true;

    fn encode(field: &T) -> Value {
        encode(field)
    }

    fn decode(column: &ColumnValue) -> Result<T, FieldError> {
        match column {
            ColumnValue::Null => read(&Json::Null),
            column => ByJson::<T>::decode(column),
        }
    }

    fn to_value(column: &ColumnValue) -> Result<Value, FieldError> {
        match column {
            ColumnValue::Null => Ok(Value::Null),
            column => ByJson::<T>::to_value(column),
        }
    }

    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError> {
        match value {
            Value::Null => Ok(ColumnValue::Null),
            value => ByJson::<T>::to_column(value, storage),
        }
    }
}

/// By way of the text that sqlx would write, so that both have the same floats. What serde refuses to write becomes a NaN, which no
/// conversion to a column and no store takes.
fn encode<T: Serialize>(field: &T) -> Value {
    serde_json::to_string(field)
        .and_then(|text| serde_json::from_str::<Json>(&text))
        .map_or(Value::Float(f64::NAN), |json| json.to_value())
}

fn read<T: DeserializeOwned>(json: &Json) -> Result<T, FieldError> {
    T::deserialize(json).map_err(|reason| FieldError::content("JSON that the field's type can read", reason))
}
