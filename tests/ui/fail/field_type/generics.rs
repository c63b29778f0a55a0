//! A field type is one concrete type.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Wrapper<T>(T);

fn main() {}

// mistake: `DittoField` cannot be derived for a type with generics or lifetimes
