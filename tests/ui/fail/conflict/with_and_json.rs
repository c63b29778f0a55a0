//! A field has one conversion.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(with = prices, json)]
    prices: Vec<i64>,
}

fn main() {}

// mistake: a field cannot be both `json` and `with`
