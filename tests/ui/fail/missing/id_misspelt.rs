//! A misspelt attribute is not missing on top.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(ids)]
    id: String,
}

fn main() {}

// mistake: unknown attribute `ids`; did you mean `id`?
