//! The anchor has a name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", id_field = "")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `id_field` must not be empty
