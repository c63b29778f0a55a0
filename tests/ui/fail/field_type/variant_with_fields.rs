//! A variant is stored as its name alone.

use ditto_sync::prelude::*;

#[derive(DittoField)]
enum State {
    Open,
    Paid(i64),
}

fn main() {}

// mistake: a variant is stored as its name, so `Paid` cannot have fields
