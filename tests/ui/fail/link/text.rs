//! A model is named by its path.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link = "Stock")]
    stock_id: String,
}

fn main() {}
