//! The anchor of a composite id holds the whole of it.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(id)]
    branch: String,
}

fn main() {}

// mistake: the document field `id` holds the whole id; rename this one, or choose another `id_field`
