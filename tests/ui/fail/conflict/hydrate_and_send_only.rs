//! Documents are not fetched for a table that takes none.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", direction = "send_only", hydrate_on_startup)]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}
