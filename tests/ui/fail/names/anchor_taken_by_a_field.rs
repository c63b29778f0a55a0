//! Only the id may be in the anchor.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    key: String,
    id: String,
}

fn main() {}
