//! A type that the derive cannot store is one error, at the type.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    parent: Parent,
}

struct Parent;

fn main() {}

// mistake: `Parent` cannot be a field of a `DittoAdapter`
