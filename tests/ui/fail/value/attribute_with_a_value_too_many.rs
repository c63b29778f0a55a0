//! A flag takes no value.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id = true)]
    id: String,
}

fn main() {}

// mistake: `id` takes no value
