//! A scope names a field.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope())]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected the names of fields: `scope(field, ..)` or `scope(any(field, ..))`
