//! The linked type is a model.

use ditto_sync::prelude::*;

struct Stock;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(Stock))]
    stock_id: i64,
}

fn main() {}
