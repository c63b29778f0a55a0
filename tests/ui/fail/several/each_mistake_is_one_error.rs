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
