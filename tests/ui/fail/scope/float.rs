//! Scope fields are compared for equality on every device.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(price))]
struct Stock {
    #[ditto(id)]
    id: String,
    price: f64,
}

fn main() {}

// mistake: a field of the scope holds text, an integer or a bool
