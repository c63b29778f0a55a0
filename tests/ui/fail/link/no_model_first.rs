//! The model comes first.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(remote_key = "code"))]
    stock_id: String,
}

fn main() {}
