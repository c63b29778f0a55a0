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
