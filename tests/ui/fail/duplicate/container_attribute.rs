//! An attribute is written once.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", collection = "others")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: duplicate attribute `collection`
