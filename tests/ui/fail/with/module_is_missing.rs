//! A wrong path is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = prises)]
    price: i64,
}

fn main() {}

// mistake: prises
