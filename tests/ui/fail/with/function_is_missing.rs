//! What the module lacks is named.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = prices)]
    price: Price,
}

struct Price(i64);

mod prices {
    use ditto_sync::{ColumnValue, FieldError, FieldKind, Storage, Value};

    pub const KIND: FieldKind = FieldKind::Int;
    pub const STORAGE: Storage = Storage::Integer;

    pub fn to_value(price: &super::Price) -> Value {
        Value::Int(price.0)
    }
    pub fn to_column(price: &super::Price, _: Storage) -> ColumnValue {
        ColumnValue::Integer(price.0)
    }
    pub fn from_column(_: &ColumnValue) -> Result<super::Price, FieldError> {
        Err(FieldError::Missing)
    }
}

fn main() {}

// mistake: from_value
