//! A model owns its values.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock<'a> {
    #[ditto(id)]
    id: &'a str,
}

fn main() {}

// mistake: `DittoAdapter` cannot be derived for a type with generics or lifetimes
