//! An attribute is written once, even in two lists.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", table = "a")]
#[ditto(table = "b")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: duplicate attribute `table`
