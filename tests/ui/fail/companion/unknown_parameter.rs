//! Only what a model asks for can be overridden.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch_id))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {
    let _ = StockDittoAdapter::new().override_brunch_id("kigali-1");
}

// mistake: override_brunch_id
