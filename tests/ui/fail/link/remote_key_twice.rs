//! An attribute is written once.

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
    #[ditto(link(Stock, remote_key = "code", remote_key = "price"))]
    code: String,
}

fn main() {}
