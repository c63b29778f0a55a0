//! Nothing can be said about a field that is not mapped.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(skip, json)]
    note: Vec<String>,
}

fn main() {}

// mistake: `json` has no meaning on a skipped field
