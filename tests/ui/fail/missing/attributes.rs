//! Without any attribute, both the collection and the id are missing.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
struct Stock {
    id: String,
}

fn main() {}

// mistake: `Stock` needs a collection: `#[ditto(collection = "..")]`
// mistake: `Stock` needs an id: mark the field (or fields) of the primary key with `#[ditto(id)]`
