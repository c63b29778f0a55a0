//! A field type is one concrete type.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Wrapper<T>(T);

fn main() {}
