//! A newtype has one value.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Price(i64, String);

fn main() {}
