//! Two fields of unusable types are two errors, at the types.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    parent: Parent,
    children: Vec<Parent>,
}

struct Parent;

fn main() {}

// mistake: `Parent` cannot be a field of a `DittoAdapter`
// mistake: `Vec<Parent>` cannot be a field of a `DittoAdapter`
