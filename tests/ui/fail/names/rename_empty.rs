//! A document field has a name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(rename = "")]
    name: String,
}

fn main() {}

// mistake: `rename` must not be empty
