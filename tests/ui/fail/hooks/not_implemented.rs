//! What is said is done.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", hooks)]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}
