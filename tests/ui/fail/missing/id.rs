//! Every model has an id.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    id: String,
    name: String,
}

fn main() {}

// mistake: `Stock` needs an id: mark the field (or fields) of the primary key with `#[ditto(id)]`
