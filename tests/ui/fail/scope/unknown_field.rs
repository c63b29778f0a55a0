//! A near miss is suggested.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(brunch_id))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {}

// mistake: unknown field `brunch_id`; did you mean `branch_id`?
