//! A variant has one text.

use ditto_sync::prelude::*;

#[derive(DittoField, sqlx::Type)]
#[ditto(rename_all = "camelCase")]
#[sqlx(rename_all = "snake_case")]
enum Status {
    Open,
    PartlyPaid,
}

fn main() {}

// mistake: `#[sqlx(..)]` calls this variant `partly_paid`, and here it is `partlyPaid`
