//! A flag takes no value.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", hooks = true)]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}
