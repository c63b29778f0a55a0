//! Either all fields match or any of them.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch_id, any(tenant_id)))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
    tenant_id: String,
}

fn main() {}

// mistake: expected the names of fields: `scope(field, ..)` or `scope(any(field, ..))`
