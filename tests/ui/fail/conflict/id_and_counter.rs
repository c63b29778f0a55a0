//! An id is read from every row and never changes.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id, counter)]
    id: i64,
}

fn main() {}

// mistake: a field of the id cannot be `counter`
