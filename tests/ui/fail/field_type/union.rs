//! A field type is a newtype or a unit enum.

use ditto_sync::prelude::*;

#[derive(DittoField)]
union Price {
    cents: i64,
}

fn main() {}

// mistake: `DittoField` is derived for newtypes and unit enums; `Price` is a union
