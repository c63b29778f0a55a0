//! A model is one concrete type.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock<T> {
    #[ditto(id)]
    id: String,
    extra: T,
}

fn main() {}

// mistake: `DittoAdapter` cannot be derived for a type with generics or lifetimes
