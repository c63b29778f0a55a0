//! Generated code raises no lint in the user's crate, however strict that is.

#![deny(warnings, clippy::pedantic, clippy::nursery)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unused_qualifications,
    unused_results,
    unreachable_pub,
    single_use_lifetimes,
    trivial_casts,
    variant_size_differences,
    unsafe_code,
    deprecated
)]
#![deny(
    clippy::absolute_paths,
    clippy::arithmetic_side_effects,
    clippy::default_trait_access,
    clippy::indexing_slicing,
    clippy::missing_inline_in_public_items,
    clippy::pattern_type_mismatch,
    clippy::question_mark_used,
    clippy::same_name_method,
    clippy::shadow_reuse,
    clippy::single_char_lifetime_names,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm
)]

use ditto_sync::prelude::*;
use ditto_sync_core::{document::Document, id::DocumentId};

/// A model.
#[derive(Debug, DittoAdapter)]
#[ditto(
    collection = "quiet",
    scope(any(branch_id)),
    left_scope = "keep",
    seed = false,
    backup,
    hydrate_on_startup,
    hooks
)]
#[ditto(filter = "rate >= 0.5 OR NOT (branch_id IN ('a', :other) AND quantity <> -1)")]
struct Quiet {
    /// Its id.
    #[ditto(id)]
    id: String,
    /// A scope.
    branch_id: String,
    /// Counted.
    #[ditto(counter, default)]
    quantity: i64,
    /// With a default.
    #[ditto(default = rate)]
    rate: f64,
    /// In JSON.
    #[ditto(json, default)]
    list: Vec<String>,
    /// By a module.
    #[ditto(with = module)]
    module: Option<i64>,
    /// Not mapped.
    #[ditto(skip)]
    skipped: u8,
    /// With a derived type.
    state: State,
    /// On its way out.
    #[deprecated]
    old: Option<i64>,
    /// Names another.
    #[ditto(link(Self, remote_key = "branch_id", cascade = false))]
    parent: Option<String>,
}

impl DittoHooks for Quiet {}

ditto_sync::models!(MODELS: Quiet);

/// A conversion.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the derive calls it so")]
mod module {
    use ditto_sync::{ColumnValue, DittoField, FieldError, FieldKind, Storage, Value};

    pub(super) const KIND: FieldKind = <i64 as DittoField>::KIND;
    pub(super) const STORAGE: Storage = <i64 as DittoField>::STORAGE;

    pub(super) fn to_value(number: &i64) -> Value {
        number.to_value()
    }
    pub(super) fn from_value(value: &Value) -> Result<i64, FieldError> {
        DittoField::from_value(value)
    }
    pub(super) fn to_column(number: &i64, storage: Storage) -> ColumnValue {
        number.to_column(storage)
    }
    pub(super) fn from_column(column: &ColumnValue) -> Result<i64, FieldError> {
        DittoField::from_column(column)
    }
}

/// A state.
#[derive(Debug, Clone, Copy, DittoField)]
#[ditto(rename_all = "kebab-case")]
enum State {
    /// One.
    One,
    /// Two.
    Two,
}

/// A newtype.
#[derive(Debug, Clone, Copy, DittoField)]
struct Wrapped(i64);

const fn rate() -> f64 {
    0.18
}

#[test]
fn strict_crates_can_derive() {
    let id = DocumentId::text("a").expect("the text is short");
    let document: Document = [("branch_id", "b"), ("state", "one")].into_iter().collect();
    let quiet = Quiet::from_document(&id, &document).expect("the rest is nullable or has defaults");
    assert_eq!((quiet.quantity, quiet.skipped, quiet.module), (0, 0, None));
    assert!(quiet.list.is_empty());
    assert_eq!(MODELS.len(), 1);
    assert_ne!(State::Two.to_value(), Wrapped(2).to_value());
}
