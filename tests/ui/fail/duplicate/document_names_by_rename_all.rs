//! Two fields cannot share a document field, however they came by its name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase")]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
    branch__id: String,
}

fn main() {}

// mistake: the document field `branchId` is taken by the field `branch_id`
