//! A model may be local to a function.

use ditto_sync::prelude::*;

fn main() {
    #[derive(DittoField)]
    struct Key(String);

    #[derive(DittoAdapter)]
    #[ditto(collection = "local")]
    struct Local {
        #[ditto(id)]
        id: Key,
    }
    assert_eq!(Local::descriptor().collection(), "local");
}
