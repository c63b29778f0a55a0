//! Documents are not fetched for a table that takes none.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", direction = "send_only", hydrate_on_startup)]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `hydrate_on_startup` has no meaning for a model that only sends
