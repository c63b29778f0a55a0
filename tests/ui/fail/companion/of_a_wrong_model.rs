//! What is wrong with the model is not reported again by its companion.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope = "branch_id")]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {
    let adapter = StockDittoAdapter::new().override_branch_id("kigali-1");
    let _ = SyncRegistry::new().with_adapter(adapter);
}

// mistake: expected the names of fields: `scope(field, ..)` or `scope(any(field, ..))`
