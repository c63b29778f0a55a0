//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoField)]
enum State {
    #[ditto(renam = "open")]
    Open,
}

fn main() {}

// mistake: unknown attribute `renam`; did you mean `rename`?
