//! What the derive asks of a linked model while it compiles: [`LinkTarget`].

use super::TypedField;
use crate::{
    adapter::DittoAdapter,
    descriptor::{FieldDescriptor, ModelDescriptor, STORE_ID_FIELD, is_key},
    field::FieldKind,
};

/// The fields of a model, where the compiler can read them.
#[derive(Debug, Clone, Copy)]
pub struct KnownFields {
    /// Those of the id.
    pub ids: &'static [FieldDescriptor],
    /// All others.
    pub fields: &'static [FieldDescriptor],
    /// The document field that holds the whole id.
    pub anchor: Option<&'static str>,
}

/// A linked model, its type erased. Generated code demands `DittoAdapter` in [`link_target`] only, so that a type without it is one error.
#[derive(Debug, Clone, Copy)]
pub struct LinkTarget {
    /// Its descriptor.
    pub descriptor: fn() -> &'static ModelDescriptor,
    known: Option<KnownFields>,
}

/// The linked model `T`.
#[must_use]
pub const fn link_target<T: DittoAdapter>() -> LinkTarget {
    LinkTarget {
        descriptor: T::descriptor,
        known: T::KNOWN_FIELDS,
    }
}

impl LinkTarget {
    /// Stops the compiler, at the caller, when the linked model has no such document field, or when that is its id, and of several parts.
    /// `missing` says which. Where the linked model is written by hand, the registry asks at start.
    #[track_caller]
    pub const fn assert_has(&self, remote_key: &str, missing: &'static str) {
        if let Some(known) = self.known {
            if known.is_the_id(remote_key) {
                assert!(
                    known.ids.len() == 1,
                    "the id of the linked model has several parts; name one of its fields: `remote_key = \"..\"`"
                );
            } else {
                assert!(known.kind(remote_key).is_some(), "{}", missing);
            }
        }
    }
}

impl KnownFields {
    const fn is_the_id(&self, remote_key: &str) -> bool {
        let is_anchor = match self.anchor {
            Some(anchor) => is_equal(anchor.as_bytes(), remote_key.as_bytes()),
            None => false,
        };
        is_anchor || is_equal(STORE_ID_FIELD.as_bytes(), remote_key.as_bytes())
    }

    const fn kind(&self, remote_key: &str) -> Option<FieldKind> {
        if self.is_the_id(remote_key) {
            return match self.ids {
                [only] => Some(only.kind()),
                _ => None,
            };
        }
        match find(self.ids, remote_key) {
            Some(kind) => Some(kind),
            None => find(self.fields, remote_key),
        }
    }
}

impl<T> TypedField<T> {
    /// Stops the compiler, at the caller, when no value of the type names a row, or none equals one of the linked field.
    #[track_caller]
    pub const fn assert_links(&self, target: &LinkTarget, remote_key: &str) {
        assert!(is_key(self.kind), "a field that links holds text or an integer");
        let linked = match target.known {
            Some(known) => known.kind(remote_key),
            None => None,
        };
        if let Some(linked) = linked {
            assert!(
                is_comparable(self.kind, linked),
                "the linked field holds another kind of value than this one"
            );
        }
    }
}

const fn find(fields: &[FieldDescriptor], name: &str) -> Option<FieldKind> {
    let mut at = 0;
    while at < fields.len() {
        if is_equal(fields[at].document_name().as_bytes(), name.as_bytes()) {
            return Some(fields[at].kind());
        }
        at += 1;
    }
    None
}

/// `==` on slices is no constant function yet.
const fn is_equal(first: &[u8], second: &[u8]) -> bool {
    let mut at = 0;
    while at < first.len() && at < second.len() && first[at] == second[at] {
        at += 1;
    }
    at == first.len() && at == second.len()
}

const fn is_comparable(first: FieldKind, second: FieldKind) -> bool {
    match first {
        FieldKind::Text => matches!(second, FieldKind::Text | FieldKind::Any),
        FieldKind::Int => matches!(second, FieldKind::Int | FieldKind::Any),
        _ => is_key(second),
    }
}
