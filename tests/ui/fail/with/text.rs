//! A module is named by its path.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = "prices")]
    price: i64,
}

fn main() {}

// mistake: expected the path of a module: `with = module`
