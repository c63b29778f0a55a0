//! SQL has more than filters have.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "status LIKE 'o%'")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: `LIKE` is not part of filters: they have `=`, `<>`, `<`, `<=`, `>`, `>=`, `IN` and `IS NULL`
