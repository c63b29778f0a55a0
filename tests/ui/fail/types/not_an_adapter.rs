//! A type without the derive is no adapter.

use ditto_sync::prelude::*;

fn main() {
    sync::<Stock>();
}

struct Stock;

fn sync<T: DittoAdapter>() {}

// mistake: `Stock` is not a `DittoAdapter`
