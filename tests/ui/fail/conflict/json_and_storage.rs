//! JSON is stored as text.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(json, storage = "blob")]
    note: Vec<String>,
}

fn main() {}

// mistake: a `json` field is stored as text
