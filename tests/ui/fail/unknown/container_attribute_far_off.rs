//! Without a near miss, the known attributes are listed.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", observe_everything)]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}
