//! Names that sqlx was told are compared too.

use ditto_sync::prelude::*;

#[derive(DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[sqlx(rename = "ID")]
    key: i64,
}

fn main() {}

// mistake: the column `ID` is taken by the field `id`
