//! What was expected and what was found.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "quantity >")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: expected a literal or a `:parameter`, found the end of the filter
