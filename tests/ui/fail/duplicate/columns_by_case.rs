//! SQLite ignores case in column names.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    name: String,
    #[ditto(column = "NAME")]
    label: String,
}

fn main() {}

// mistake: the column `NAME` is taken by the field `name`
