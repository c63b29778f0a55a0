//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoField)]
#[ditto(rename_all = "snake-case")]
enum State {
    Open,
}

fn main() {}

// mistake: unknown value of `rename_all`: `snake-case`; did you mean `snake_case`?
