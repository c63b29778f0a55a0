//! A skipped field is in no document.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch_id))]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(skip)]
    branch_id: String,
}

fn main() {}

// mistake: `branch_id` is skipped, so no document has it
