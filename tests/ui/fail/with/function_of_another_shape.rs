//! A function that takes something else is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = prices)]
    price: Option<i64>,
}

mod prices {
    use ditto_sync::{ColumnValue, FieldError, FieldKind, Storage, Value};

    pub const KIND: FieldKind = FieldKind::Int;
    pub const STORAGE: Storage = Storage::Integer;

    pub fn to_value(price: &i64) -> Value {
        Value::Int(*price)
    }
    pub fn to_column(price: &i64) -> ColumnValue {
        ColumnValue::Integer(*price)
    }
    pub fn from_column(_: &ColumnValue) -> Result<i64, FieldError> {
        Err(FieldError::Missing)
    }
    pub fn from_value(_: &Value) -> Result<i64, FieldError> {
        Err(FieldError::Missing)
    }
}

fn main() {}

// mistake: mismatched types
