//! A column has a name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(column = "")]
    name: String,
}

fn main() {}

// mistake: `column` must not be empty
