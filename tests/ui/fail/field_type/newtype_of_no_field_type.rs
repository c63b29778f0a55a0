//! The inner type is a field type; otherwise that is one error.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Wrapper(Parent);

struct Parent;

fn main() {}

// mistake: `Parent` cannot be a field of a `DittoAdapter`
