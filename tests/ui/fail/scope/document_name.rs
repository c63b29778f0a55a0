//! A scope names fields as the struct does.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase", scope(branchId))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {}

// mistake: unknown field `branchId`; did you mean `branch_id`?
