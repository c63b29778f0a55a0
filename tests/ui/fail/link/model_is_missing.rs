//! A wrong path is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(Stokc, remote_key = "code"))]
    stock_id: String,
}

fn main() {}
