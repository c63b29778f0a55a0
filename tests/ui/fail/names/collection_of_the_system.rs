//! The prefix `system:` belongs to the store.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "system:stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: collections whose name starts with `system:` belong to the store
