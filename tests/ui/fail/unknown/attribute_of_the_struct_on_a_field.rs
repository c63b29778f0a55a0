//! A right name in the wrong place is said to be misplaced.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(table = "n")]
    name: String,
}

fn main() {}

// mistake: `table` is an attribute of the struct
