//! The document field `_id` belongs to the store.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(rename = "_id")]
    name: String,
}

fn main() {}

// mistake: the document field `_id` belongs to the store
