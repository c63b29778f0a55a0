//! A skipped field takes its `Default`.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(skip)]
    state: State,
}

struct State;

fn main() {}

// mistake: Default
