//! A parameter that is called as that of the scope, but for its case, is a slip.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase", scope(branch_id), filter = "owner <> :branch_id")]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
    owner: String,
}

fn main() {}

// mistake: `:branch_id` is another parameter than `branchId`; write them alike
