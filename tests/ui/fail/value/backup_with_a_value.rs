//! A flag takes no value.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "variants", backup = "yes")]
struct Variant {
    #[ditto(id)]
    id: String,
}

fn main() {}
