//! One field holds no id of several parts.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "lines")]
struct Line {
    #[ditto(id)]
    sale: String,
    #[ditto(id)]
    number: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "variants")]
struct Variant {
    #[ditto(id)]
    id: String,
    #[ditto(link(Line))]
    line: String,
}

fn main() {}
