//! An id is never NULL.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: Option<String>,
}

fn main() {}

// mistake: a field of the id cannot be an `Option`
