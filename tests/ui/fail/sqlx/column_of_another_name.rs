//! A column has one name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(column = "cost")]
    #[sqlx(rename = "price")]
    price: i64,
}

fn main() {}

// mistake: `#[sqlx(..)]` calls this column `price`
