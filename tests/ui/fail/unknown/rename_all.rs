//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camel_case")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown value of `rename_all`: `camel_case`; did you mean `camelCase`?
