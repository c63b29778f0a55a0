//! Two fields cannot share a document field.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    name: String,
    #[ditto(rename = "name")]
    label: String,
}

fn main() {}

// mistake: the document field `name` is taken by the field `name`
