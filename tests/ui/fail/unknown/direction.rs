//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", direction = "sendOnly")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown value of `direction`: `sendOnly`; did you mean `send_only`?
