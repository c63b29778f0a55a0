//! The same for an id.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: Key,
}

struct Key;

fn main() {}

// mistake: `Key` cannot be a field of a `DittoAdapter`
