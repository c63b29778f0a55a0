//! An id is never NULL, whatever its type is called.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: Key,
}

#[derive(DittoField)]
struct Key(Option<String>);

fn main() {}

// mistake: a field of the id holds text or an integer, and is never NULL
