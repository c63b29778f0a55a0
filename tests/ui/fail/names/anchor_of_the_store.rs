//! The anchor cannot be `_id`.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", id_field = "_id")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: the document field `_id` belongs to the store
