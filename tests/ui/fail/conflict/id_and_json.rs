//! An id is text or an integer.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id, json)]
    id: String,
}

fn main() {}

// mistake: a field of the id cannot be `json`
