//! An id is read from every row and never changes.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id, skip)]
    id: String,
}

fn main() {}

// mistake: a field of the id cannot be `skip`
