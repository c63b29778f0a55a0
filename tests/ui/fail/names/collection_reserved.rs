//! The prefix `__` belongs to the store.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "__stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: collections whose name starts with `__` belong to the store
