//! A scope names fields, not texts.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope = "branch_id")]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {}

// mistake: expected the names of fields: `scope(field, ..)` or `scope(any(field, ..))`
