//! A bool is not written as text.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", seed = "false")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected `seed = true` or `seed = false`
