//! A near miss is named.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", hydrate_on_start)]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}
