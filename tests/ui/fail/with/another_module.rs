//! A module that is not meant for this is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = prices)]
    price: i64,
}

mod prices {}

fn main() {}

// mistake: prices
