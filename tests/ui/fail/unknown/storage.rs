//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(storage = "int")]
    count: i64,
}

fn main() {}

// mistake: unknown value of `storage`: `int`; did you mean `integer`?
