//! Seeding is on anyway.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", seed)]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected `seed = true` or `seed = false`
