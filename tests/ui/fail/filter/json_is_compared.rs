//! JSON is null or not, and nothing else.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "notes = :notes")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(json)]
    notes: Vec<String>,
}

fn main() {}

// mistake: `filter` compares `notes`, which can only be asked whether it is null
