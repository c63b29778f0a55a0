//! Without a near miss, the known attributes are listed.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    #[ditto(primary)]
    name: String,
}

fn main() {}

// mistake: unknown attribute `primary`; known: `id`, `rename`, `column`, `skip`, `counter`, `json`, `with`, `storage`, `default`, `volatile`, `link`
