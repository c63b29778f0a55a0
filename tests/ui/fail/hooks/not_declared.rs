//! Hooks that nobody would call are refused.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
}

impl DittoHooks for Variant {}

fn main() {}
