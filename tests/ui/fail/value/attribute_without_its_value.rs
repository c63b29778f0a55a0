//! A value may not be left out.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(rename)]
    name: String,
}

fn main() {}

// mistake: expected a string: `rename = ".."`
