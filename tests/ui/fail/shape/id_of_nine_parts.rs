//! An id has at most eight parts.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    key_1: i64,
    #[ditto(id)]
    key_2: i64,
    #[ditto(id)]
    key_3: i64,
    #[ditto(id)]
    key_4: i64,
    #[ditto(id)]
    key_5: i64,
    #[ditto(id)]
    key_6: i64,
    #[ditto(id)]
    key_7: i64,
    #[ditto(id)]
    key_8: i64,
    #[ditto(id)]
    key_9: i64,
}

fn main() {}

// mistake: an id has at most 8 parts
