//! The same within an `Option`.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    parent: Option<Parent>,
}

struct Parent;

fn main() {}

// mistake: `Parent` cannot be a field of a `DittoAdapter`
