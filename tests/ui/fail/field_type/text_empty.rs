//! A variant has a text.

use ditto_sync::prelude::*;

#[derive(DittoField)]
enum State {
    #[ditto(rename = "")]
    Open,
}

fn main() {}

// mistake: `rename` must not be empty
