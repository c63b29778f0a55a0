//! Floats do not add up.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    price: f64,
}

fn main() {}

// mistake: a counter is an `i64`, an `Option<i64>` or a newtype of one
