//! What is wrong with a field type is not reported again by the model.

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
    Open(u8),
}

fn main() {}

// mistake: a variant is stored as its name, so `Open` cannot have fields
