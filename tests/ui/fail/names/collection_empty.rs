//! A collection has a name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `collection` must not be empty
