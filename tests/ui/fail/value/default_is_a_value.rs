//! A default is a function.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(default = 0.18)]
    rate: f64,
}

fn main() {}

// mistake: expected `default` or the path of a function: `default = function`
