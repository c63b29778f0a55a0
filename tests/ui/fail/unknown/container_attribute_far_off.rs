//! Without a near miss, the known attributes are listed.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", observe_everything)]
struct Stock {
    #[ditto(id)]
    id: String,
}

fn main() {}

// mistake: unknown attribute `observe_everything`; known: `collection`, `table`, `rename_all`, `direction`, `id_field`, `scope`, `filter`, `left_scope`, `seed`, `backup`, `hydrate_on_startup`, `hooks`, `crate`
