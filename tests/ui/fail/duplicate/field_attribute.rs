//! An attribute is written once.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id, id)]
    id: String,
}

fn main() {}

// mistake: duplicate attribute `id`
