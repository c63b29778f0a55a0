//! Without any attribute, both the collection and the id are missing.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
struct Stock {
    id: String,
}

fn main() {}
