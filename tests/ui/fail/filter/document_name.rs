//! Fields are called as in the struct.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase", filter = "isOpen = true")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: unknown field `isOpen`; did you mean `is_open`?
