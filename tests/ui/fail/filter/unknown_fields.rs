//! Near misses are suggested; each field is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "qantity > 0 AND (stat = 'open' OR qantity < -5)")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: unknown field `qantity`; did you mean `quantity`?
// mistake: unknown field `stat`; did you mean `status`?
