//! Without a near miss, the known values are listed.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", direction = "upwards")]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown value of `direction`: `upwards`; known: `bidirectional`, `send_only`, `receive_only`
