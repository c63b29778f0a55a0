//! The runtime is named by a path.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", crate = "not a path")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected a path, found "not a path"
