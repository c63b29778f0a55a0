//! `crate = "path"`: the runtime under another name.

use ditto_sync_core::{adapter::DittoAdapter as _, document::Document, id::DocumentId};

mod vendored {
    pub(crate) use ::ditto_sync as sync;
}

/// The derives under a name that says nothing about the runtime.
mod derives {
    pub(crate) use ::ditto_sync::{DittoAdapter, DittoField};
}

/// What generated code would find if it named the runtime by a relative path.
mod ditto_sync {}

#[derive(Debug, PartialEq, derives::DittoAdapter)]
#[ditto(collection = "runtime_path_core", crate = "ditto_sync_core")]
struct OnCore {
    #[ditto(id)]
    id: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, derives::DittoField)]
#[ditto(crate = "ditto_sync_core")]
enum State {
    Open,
}

#[derive(Debug, PartialEq, derives::DittoAdapter)]
#[ditto(
    collection = "runtime_path_renamed",
    crate = "crate::runtime_path::vendored::sync"
)]
struct Renamed {
    #[ditto(id)]
    id: String,
}

#[test]
fn the_core_alone_is_enough() {
    let value = OnCore {
        id: "a".to_owned(),
        state: State::Open,
    };
    let document = value.to_document().unwrap();
    let id = DocumentId::text("a").unwrap();
    assert_eq!(OnCore::from_document(&id, &document).unwrap(), value);
}

#[test]
fn a_renamed_runtime_is_found() {
    let id = DocumentId::text("a").unwrap();
    assert_eq!(Renamed::from_document(&id, &Document::new()).unwrap().id, "a");
}
