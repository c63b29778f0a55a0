//! Two fields cannot share a column.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    name: String,
    #[ditto(column = "name")]
    label: String,
}

fn main() {}

// mistake: the column `name` is taken by the field `name`
