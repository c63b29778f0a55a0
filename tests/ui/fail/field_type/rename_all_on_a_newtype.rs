//! A newtype has nothing to rename.

use ditto_sync::prelude::*;

#[derive(DittoField)]
#[ditto(rename_all = "snake_case")]
struct Price(i64);

fn main() {}

// mistake: `rename_all` has no meaning on a newtype
