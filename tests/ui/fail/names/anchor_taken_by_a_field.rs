//! Only the id may be in the anchor.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    key: String,
    id: String,
}

fn main() {}

// mistake: the document field `id` holds the whole id; rename this one, or choose another `id_field`
