//! `default` needs the type's own.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(default)]
    state: State,
}

#[derive(DittoField)]
enum State {
    Open,
}

fn main() {}

// mistake: Default
