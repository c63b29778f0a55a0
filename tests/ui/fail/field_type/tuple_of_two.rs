//! A newtype has one value.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Price(i64, String);

fn main() {}

// mistake: `DittoField` is derived for newtypes and unit enums; `Price` is a tuple struct
