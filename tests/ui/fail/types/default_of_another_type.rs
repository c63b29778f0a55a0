//! A default is of the field's type.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(default = rate)]
    count: i64,
}

fn rate() -> f64 {
    0.18
}

fn main() {}

// mistake: mismatched types
