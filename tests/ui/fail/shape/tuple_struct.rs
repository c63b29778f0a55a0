//! A model is a struct with named fields.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock(String);

fn main() {}

// mistake: `DittoAdapter` is derived for structs with named fields; `Stock` is a tuple struct
