//! Increments need an integer of their own.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter, with = quantities)]
    quantity: i64,
}

fn main() {}

// mistake: a field cannot be both `counter` and `with`
