//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(colum = "n")]
    name: String,
}

fn main() {}

// mistake: unknown attribute `colum`; did you mean `column`?
