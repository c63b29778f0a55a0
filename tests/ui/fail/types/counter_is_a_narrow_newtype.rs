//! A newtype hides the width from the syntax, not from the compiler.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(counter)]
    count: Count,
}

#[derive(DittoField)]
struct Count(i32);

fn main() {}

// mistake: a counter is an `i64`, an `Option<i64>` or a newtype of one
