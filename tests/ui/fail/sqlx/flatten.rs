//! What sqlx flattens is no column.

use ditto_sync::prelude::*;

#[derive(DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[sqlx(flatten)]
    more: More,
}

#[derive(sqlx::FromRow)]
struct More {
    note: String,
}

fn main() {}

// mistake: with `flatten` sqlx reads no such column; write `#[ditto(skip)]` too
