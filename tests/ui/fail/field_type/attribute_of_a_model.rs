//! The attributes of models are not those of field types.

use ditto_sync::prelude::*;

#[derive(DittoField)]
#[ditto(collection = "prices")]
struct Price(i64);

fn main() {}

// mistake: unknown attribute `collection`; known: `rename_all`, `crate`
