//! A table has a name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", table = "")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `table` must not be empty
