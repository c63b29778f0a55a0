//! What is wrong with the linked model is not reported again.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "broken", direction = "sideways")]
struct Broken {
    #[ditto(id)]
    id: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(Broken))]
    broken_id: i64,
}

fn main() {}
