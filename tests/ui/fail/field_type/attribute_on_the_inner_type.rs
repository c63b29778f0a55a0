//! A newtype takes no attributes on its field.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Price(#[ditto(counter)] i64);

fn main() {}

// mistake: unknown attribute `counter`
