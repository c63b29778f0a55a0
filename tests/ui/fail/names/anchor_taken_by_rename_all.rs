//! A field may take the anchor through `rename_all` too.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "UPPERCASE", id_field = "NAME")]
struct Stock {
    #[ditto(id)]
    key: String,
    name: String,
}

fn main() {}

// mistake: the document field `NAME` holds the whole id; rename this one, or choose another `id_field`
