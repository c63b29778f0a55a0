//! A misspelt attribute is not missing on top.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(colection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown attribute `colection`; did you mean `collection`?
