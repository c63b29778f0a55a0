//! Seven mistakes are seven errors, and using the model is none.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(colection = "stocks", direction = "both_ways", scope(brunch), left_scope = "kept")]
struct Stock {
    #[ditto(id)]
    id: Option<String>,
    branch: String,
    #[ditto(counter)]
    price: f64,
    #[ditto(rename = "branch")]
    name: String,
}

fn main() {
    sync::<Stock>();
    let _ = Stock::descriptor();
}

fn sync<T: DittoAdapter>() {}

// mistake: unknown attribute `colection`; did you mean `collection`?
// mistake: unknown value of `direction`: `both_ways`; known: `bidirectional`, `send_only`, `receive_only`
// mistake: unknown value of `left_scope`: `kept`; known: `delete`, `keep`
// mistake: a field of the id cannot be an `Option`
// mistake: a counter is an `i64`, an `Option<i64>` or a newtype of one
// mistake: the document field `branch` is taken by the field `branch`
// mistake: unknown field `brunch`; did you mean `branch`?
