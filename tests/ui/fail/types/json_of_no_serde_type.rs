//! serde has to read and write the type; one error, however much it lacks.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(json)]
    parent: Parent,
    #[ditto(json)]
    other: Option<Parent>,
}

struct Parent;

fn main() {}

// mistake: `Parent` cannot be a `json` field of a `DittoAdapter`
// mistake: `Option<Parent>` cannot be a `json` field of a `DittoAdapter`
