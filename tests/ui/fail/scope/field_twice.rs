//! A field is named once.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(any(branch_id, branch_id)))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {}

// mistake: `branch_id` is in the scope already
