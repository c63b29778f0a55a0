//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(colection = "stocks", collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown attribute `colection`; did you mean `collection`?
