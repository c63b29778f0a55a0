//! A field type is a newtype or a unit enum.

use ditto_sync::prelude::*;

#[derive(DittoField)]
union Price {
    cents: i64,
}

fn main() {}
