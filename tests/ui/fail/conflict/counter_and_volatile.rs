//! Increments that are not detected would be lost.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter, volatile)]
    count: i64,
}

fn main() {}

// mistake: a counter cannot be `volatile`
