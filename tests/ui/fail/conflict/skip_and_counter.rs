//! Nothing can be said about a field that is not mapped.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(skip, counter)]
    count: i64,
}

fn main() {}

// mistake: `counter` has no meaning on a skipped field
