//! A filter is judged on documents.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "note IS NULL")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
    #[ditto(skip)]
    note: String,
}

fn main() {}

// mistake: `note` is skipped, so no document has it
