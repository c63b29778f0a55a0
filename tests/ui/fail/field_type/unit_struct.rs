//! A field type holds something.

use ditto_sync::prelude::*;

#[derive(DittoField)]
struct Nothing;

fn main() {}

// mistake: `DittoField` is derived for newtypes and unit enums; `Nothing` is a unit struct
