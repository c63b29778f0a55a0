//! The attributes are in parentheses.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto = "stocks"]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected `#[ditto(..)]`
