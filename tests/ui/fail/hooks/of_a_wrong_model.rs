//! What is wrong with the model is not reported again by its hooks.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", hooks, direction = "sideways")]
struct Variant {
    #[ditto(id)]
    id: String,
}

impl DittoHooks for Variant {}

fn main() {}
