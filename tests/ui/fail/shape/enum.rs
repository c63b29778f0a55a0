//! A model is a struct with named fields.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
enum Stock {
    Full,
}

fn main() {}
