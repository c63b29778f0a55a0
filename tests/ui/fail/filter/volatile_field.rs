//! A change of it alone is not seen.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "note IS NULL")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
    #[ditto(volatile)]
    note: String,
}

fn main() {}

// mistake: `note` is `volatile`, so a row would leave the scope unnoticed
