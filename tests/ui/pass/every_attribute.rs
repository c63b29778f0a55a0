//! Every attribute, at once.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "transfers", table = "till transfers", rename_all = "camelCase", direction = "bidirectional")]
#[ditto(scope(any(from_branch, to_branch)), left_scope = "keep", id_field = "key", crate = "ditto_sync")]
#[ditto(filter = "(pieces > 0 OR year IN (2024, :year)) AND NOT note IS NULL AND from_branch <> 'x'", seed = false, backup, hydrate_on_startup, hooks)]
struct Transfer {
    #[ditto(id)]
    year: i32,
    #[ditto(id, column = "no")]
    number: i64,
    #[ditto(link(Branch))]
    from_branch: String,
    #[ditto(link(self::Branch, remote_key = "sku", cascade = false,))]
    to_branch: String,
    #[ditto(counter, default)]
    pieces: i64,
    #[ditto(storage = "text", default = rate)]
    rate: f64,
    #[ditto(rename = "kind")]
    r#type: Kind,
    #[ditto(volatile)]
    last_seen: Option<i64>,
    #[ditto(json, storage = "text", default)]
    tags: Vec<String>,
    #[ditto(json)]
    note: Option<std::collections::BTreeMap<String, i64>>,
    #[ditto(with = plain)]
    weight: Option<i64>,
    #[ditto(skip)]
    is_selected: bool,
}

impl DittoHooks for Transfer {}

#[derive(DittoAdapter)]
#[ditto(collection = "branches")]
struct Branch {
    #[ditto(id, column = "key", rename = "sku")]
    id: String,
}

#[derive(DittoField)]
#[ditto(rename_all = "kebab-case", crate = "ditto_sync")]
enum Kind {
    WholePallet,
    #[ditto(rename = "parcel")]
    Box,
}

fn rate() -> f64 {
    0.18
}

mod plain {
    use ditto_sync::{ColumnValue, DittoField, FieldError, FieldKind, Storage, Value};

    pub const KIND: FieldKind = <i64 as DittoField>::KIND;
    pub const STORAGE: Storage = <i64 as DittoField>::STORAGE;

    pub fn to_value(number: &i64) -> Value {
        number.to_value()
    }
    pub fn from_value(value: &Value) -> Result<i64, FieldError> {
        DittoField::from_value(value)
    }
    pub fn to_column(number: &i64, storage: Storage) -> ColumnValue {
        number.to_column(storage)
    }
    pub fn from_column(column: &ColumnValue) -> Result<i64, FieldError> {
        DittoField::from_column(column)
    }
}

ditto_sync::models!(
    /// All of them.
    pub(crate) MODELS: Transfer,
);

fn main() {
    assert_eq!(MODELS.len(), 1);
    let model = Transfer::descriptor();
    assert_eq!(model.table(), "till transfers");
    assert_eq!(model.anchor(), Some("key"));
    assert!(model.filter().is_some() && !model.seeds());
}
