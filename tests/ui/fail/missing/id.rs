//! Every model has an id.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    id: String,
    name: String,
}

fn main() {}
