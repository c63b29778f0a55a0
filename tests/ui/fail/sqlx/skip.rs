//! What sqlx skips is in no row that it reads.

use ditto_sync::prelude::*;

#[derive(DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[sqlx(skip)]
    selected: bool,
}

fn main() {}

// mistake: with `skip` sqlx reads no such column; write `#[ditto(skip)]` too
