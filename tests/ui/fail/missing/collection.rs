//! Every model has a collection.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(table = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `Stock` needs a collection: `#[ditto(collection = "..")]`
