//! The right-hand side is a literal or a parameter.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "status = open")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: a field is compared with a literal or a `:parameter`, found `open`; text stands in single quotes
