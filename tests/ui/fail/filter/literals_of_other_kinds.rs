//! Each field and kind of literal is one error.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", filter = "quantity = '5' AND status > 5 AND is_open = 'yes' AND quantity IN (1, '6')")]
struct Stock {
    #[ditto(id)]
    id: String,
    is_open: bool,
    quantity: i64,
    status: String,
}

fn main() {}

// mistake: `filter` compares `is_open` with a text, and values of its type compare with no text
// mistake: `filter` compares `quantity` with a text, and values of its type compare with no text
// mistake: `filter` compares `status` with a number, and values of its type compare with no number
