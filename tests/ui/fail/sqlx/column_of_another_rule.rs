//! A column has one name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "stocks")]
#[sqlx(rename_all = "camelCase")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(column = "unit_price")]
    unit_price: i64,
}

fn main() {}

// mistake: `#[sqlx(..)]` calls this column `unitPrice`
