//! The models of the repository suite: the shared stock model, and others with descriptors written by hand as the derive writes them.
//!
//! A fixture whose tables are SQL tables makes them as [`SCHEMA`] says.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{FieldDescriptor, LeftScope, ModelDescriptor, Scope},
    id::{DocumentId, IdPart},
};

pub use crate::models::STOCK;

/// The tables of all models, for SQLite.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, branch_id TEXT NOT NULL, product TEXT, quantity INTEGER NOT NULL, \
     price REAL, note TEXT)",
    "CREATE TABLE orders (id TEXT PRIMARY KEY NOT NULL, customer TEXT, total REAL)",
    "CREATE TABLE order_items (order_id TEXT NOT NULL REFERENCES orders (id) ON DELETE CASCADE, line INTEGER NOT NULL, \
     product TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (order_id, line))",
    "CREATE TABLE categories (category_id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE transfers (id TEXT PRIMARY KEY NOT NULL, from_branch TEXT, to_branch TEXT, note TEXT)",
    "CREATE TABLE visits (id TEXT PRIMARY KEY NOT NULL, branch TEXT, tenant TEXT, note TEXT)",
];

/// All models; a child stands before its parent on purpose.
pub static MODELS: [&ModelDescriptor; 6] = [&STOCK, &ORDER_ITEM, &ORDER, &CATEGORY, &TRANSFER, &VISIT];

/// A parent. What leaves its scope stays in the table.
pub static ORDER: ModelDescriptor = ModelDescriptor::new(
    "Order",
    "orders",
    "orders",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<String>>("customer", "customer", "customer"),
        FieldDescriptor::of::<Option<f64>>("total", "total", "total"),
    ],
)
.with_scope(Scope::Everything, LeftScope::Keep);

/// A child of [`ORDER`] with a composite id; deleted with its parent.
pub static ORDER_ITEM: ModelDescriptor = ModelDescriptor::new(
    "OrderItem",
    "orderItems",
    "order_items",
    &[
        FieldDescriptor::of::<String>("order_id", "orderId", "order_id"),
        FieldDescriptor::of::<i64>("line", "line", "line"),
    ],
    &[
        FieldDescriptor::of::<String>("product", "product", "product"),
        FieldDescriptor::of::<i64>("amount", "amount", "amount").counter(),
    ],
);

/// An integer id and a UNIQUE column.
pub static CATEGORY: ModelDescriptor = ModelDescriptor::new(
    "Category",
    "categories",
    "categories",
    &[FieldDescriptor::of::<i64>(
        "category_id",
        "categoryId",
        "category_id",
    )],
    &[FieldDescriptor::of::<String>("name", "name", "name")],
);

/// Belongs where any of two fields says, which may be NULL.
pub static TRANSFER: ModelDescriptor = ModelDescriptor::new(
    "Transfer",
    "transfers",
    "transfers",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<String>>("from_branch", "fromBranch", "from_branch"),
        FieldDescriptor::of::<Option<String>>("to_branch", "toBranch", "to_branch"),
        FieldDescriptor::of::<Option<String>>("note", "note", "note"),
    ],
)
.with_scope(Scope::Any(&["fromBranch", "toBranch"]), LeftScope::Delete);

/// Belongs where both of two fields say, which may be NULL.
pub static VISIT: ModelDescriptor = ModelDescriptor::new(
    "Visit",
    "visits",
    "visits",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<String>>("branch", "branch", "branch"),
        FieldDescriptor::of::<Option<String>>("tenant", "tenant", "tenant"),
        FieldDescriptor::of::<Option<String>>("note", "note", "note"),
    ],
)
.with_scope(Scope::All(&["branch", "tenant"]), LeftScope::Delete);

/// A text id.
///
/// # Panics
/// When `text` is no valid id.
#[must_use]
pub fn text_id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("tests use short ids")
}

/// The id of an order item.
///
/// # Panics
/// When `order` is no valid id.
#[must_use]
pub fn item_id(order: &str, line: i64) -> DocumentId {
    DocumentId::from_parts(vec![IdPart::Text(order.into()), IdPart::Integer(line)])
        .expect("tests use short ids")
}

/// A stock row without price and note.
#[must_use]
pub fn stock(branch: &str, product: &str, quantity: i64) -> Image {
    Image::new(vec![
        text(branch),
        text(product),
        ColumnValue::Integer(quantity),
        ColumnValue::Null,
        ColumnValue::Null,
    ])
}

/// An order row.
#[must_use]
pub fn order(customer: &str, total: f64) -> Image {
    Image::new(vec![text(customer), ColumnValue::Real(total)])
}

/// An order item row.
#[must_use]
pub fn item(product: &str, amount: i64) -> Image {
    Image::new(vec![text(product), ColumnValue::Integer(amount)])
}

/// A category row.
#[must_use]
pub fn category(name: &str) -> Image {
    Image::new(vec![text(name)])
}

/// A row of [`TRANSFER`] or [`VISIT`] without a note.
#[must_use]
pub fn placed(first: Option<&str>, second: Option<&str>) -> Image {
    let column = |name: Option<&str>| name.map_or(ColumnValue::Null, text);
    Image::new(vec![column(first), column(second), ColumnValue::Null])
}

/// A text column.
#[must_use]
pub fn text(text: &str) -> ColumnValue {
    ColumnValue::Text(text.to_owned())
}
