//! A right name in the wrong place is said to be misplaced.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", counter)]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `counter` is an attribute of a field
