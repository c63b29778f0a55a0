//! The linked model has such a field.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: i64,
    code: String,
    price: f64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(Stock, remote_key = "sku"))]
    code: String,
}

fn main() {}
