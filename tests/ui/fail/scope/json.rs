//! Scope fields are compared for equality on every device.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(tags))]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(json)]
    tags: Vec<String>,
}

fn main() {}

// mistake: a field of the scope holds text, an integer or a bool
