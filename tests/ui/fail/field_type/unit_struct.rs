//! A field type holds something.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Nothing;

fn main() {}
