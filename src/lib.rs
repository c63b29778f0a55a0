//! Keeps an app's own SQLite tables and a peer-to-peer document store in step, both ways, in real time, from one
//! `#[derive(DittoAdapter)]` per struct. The app keeps writing plain SQL.
//!
//! This crate only gathers: the contracts and the engine are in `ditto-sync-core`, the derives in `ditto-sync-derive`.

pub use ditto_sync_core::{adapter::DittoAdapter, field::DittoField};
pub use ditto_sync_derive::{DittoAdapter, DittoField};

#[doc(hidden)]
pub use ditto_sync_core::private as __private;

/// What an application needs, for one `use ditto_sync::prelude::*`.
pub mod prelude {
    pub use crate::{DittoAdapter, DittoField};
}
