//! A wrong path of the runtime is one error, at the path.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", crate = "nowhere::sync")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: nowhere
