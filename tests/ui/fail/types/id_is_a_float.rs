//! An id is text or an integer.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: f64,
}

fn main() {}

// mistake: a field of the id holds text or an integer, and is never NULL
