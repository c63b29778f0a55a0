//! A collection's name has no NUL.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "sto\0cks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `collection` must not contain NUL
