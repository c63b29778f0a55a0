//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(id), left_scope = "keeps")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown value of `left_scope`: `keeps`; did you mean `keep`?
