//! Each variant has its own text.

use ditto_sync::prelude::*;

#[derive(DittoField)]
enum State {
    Open,
    #[ditto(rename = "Open")]
    Reopened,
}

fn main() {}

// mistake: the text `Open` is taken by the variant `Open`
