//! A text does not count.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    state: State,
}

#[derive(DittoField)]
enum State {
    Open,
}

fn main() {}

// mistake: a counter is an `i64`, an `Option<i64>` or a newtype of one
