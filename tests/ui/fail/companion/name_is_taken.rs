//! The companion has its name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

struct StockDittoAdapter;

fn main() {}

// mistake: the name `StockDittoAdapter` is defined multiple times
