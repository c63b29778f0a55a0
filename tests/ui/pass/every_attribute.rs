//! Every attribute, at once.

use ditto_sync::prelude::*;

#[derive(DittoAdapter)]
#[ditto(collection = "transfers", table = "till transfers", rename_all = "camelCase", direction = "bidirectional")]
#[ditto(scope(any(from_branch, to_branch)), left_scope = "keep", id_field = "key", crate = "ditto_sync")]
struct Transfer {
    #[ditto(id)]
    year: i32,
    #[ditto(id, column = "no")]
    number: i64,
    from_branch: String,
    to_branch: String,
    #[ditto(counter, default)]
    pieces: i64,
    #[ditto(storage = "text", default = rate)]
    rate: f64,
    #[ditto(rename = "kind")]
    r#type: Kind,
    #[ditto(volatile)]
    last_seen: Option<i64>,
    #[ditto(skip)]
    is_selected: bool,
}

#[derive(DittoField)]
#[ditto(rename_all = "kebab-case", crate = "ditto_sync")]
enum Kind {
    WholePallet,
    #[ditto(rename = "parcel")]
    Box,
}

fn rate() -> f64 {
    0.18
}

fn main() {
    let model = Transfer::descriptor();
    assert_eq!(model.table(), "till transfers");
    assert_eq!(model.anchor(), Some("key"));
}
