//! Attributes are separated by commas; the ones after the mistake are read.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks" table = "stock", direction = "up")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: expected `,`
// mistake: unknown value of `direction`: `up`; known: `bidirectional`, `send_only`, `receive_only`
