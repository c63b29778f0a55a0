//! The companion has its name.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
}

struct StockDittoAdapter;

fn main() {}

// The compiler goes on with the other struct, to which the generated code does not fit.
// mistake: the name `StockDittoAdapter` is defined multiple times
// mistake: struct `StockDittoAdapter` has no field named `overrides`
// mistake: no field `overrides` on type `&StockDittoAdapter`
// mistake: no field `overrides` on type `StockDittoAdapter`
