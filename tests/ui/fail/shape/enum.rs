//! A model is a struct with named fields.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
enum Stock {
    Full,
}

fn main() {}

// mistake: `DittoAdapter` is derived for structs with named fields; `Stock` is an enum
