//! Without a scope nothing leaves it.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", left_scope = "keep")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: `left_scope` has no meaning without `scope(..)` or `filter`
