//! An enum has a value.

use ditto_sync::prelude::*;

#[derive(DittoField)]
enum Never {}

fn main() {}

// mistake: `Never` needs a variant
