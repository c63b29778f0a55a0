//! A link names a model.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link)]
    stock_id: String,
}

fn main() {}
