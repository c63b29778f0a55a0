//! A collection is named by a string; it is not missing as well.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = 5)]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected a string: `collection = ".."`
