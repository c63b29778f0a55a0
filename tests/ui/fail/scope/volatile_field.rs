//! A row cannot leave a scope unnoticed.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch_id))]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(volatile)]
    branch_id: String,
}

fn main() {}

// mistake: `branch_id` is `volatile`, so a row would leave the scope unnoticed
