//! A model is a struct with named fields.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock;

fn main() {}

// mistake: `DittoAdapter` is derived for structs with named fields; `Stock` is a unit struct
