//! Canonical hashes of ids and of row images.
//!
//! A hash answers "unchanged?" and nothing else: xxh3 is not collision resistant against a malicious peer, so no decision about
//! trust may rest on it. The bytes hashed are a durable format: [`HASH_FORMAT`] names it.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::Document,
    id::{DocumentId, IdPart},
    value::Value,
};

/// Version of the canonical bytes. A repository that finds another one re-hashes its known set.
pub const HASH_FORMAT: u32 = 1;

/// Hash of the mapped columns of a row as stored, in the order of their document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentHash(u128);

/// Hash of a document id within its collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdHash(u128);

impl ContentHash {
    /// The hash of `image`, a row of `model`. `image` must be canonical: what
    /// [`FieldDescriptor::to_column`](crate::descriptor::FieldDescriptor::to_column) yields.
    #[must_use]
    pub fn of(model: &ModelDescriptor, image: &Image) -> Self {
        Self(with_buffer(|buffer| {
            for &at in model.hash_order() {
                if !model.fields()[at].is_volatile() {
                    push_column(buffer, &image[at]);
                }
            }
        }))
    }
}

impl ContentHash {
    /// The hash of all fields of a document, mapped or not: for documents that cannot be read as a row.
    #[must_use]
    pub fn of_document(document: &Document) -> Self {
        Self(with_buffer(|buffer| {
            for (name, value) in document.iter() {
                push_sized(buffer, TAG_TEXT, name.as_bytes());
                push_value(buffer, value);
            }
        }))
    }
}

impl IdHash {
    /// The hash of `id`.
    #[must_use]
    pub fn of(id: &DocumentId) -> Self {
        Self(with_buffer(|buffer| {
            for part in id.parts() {
                match part {
                    IdPart::Integer(integer) => push(buffer, TAG_INTEGER, &integer.to_le_bytes()),
                    IdPart::Text(text) => push_sized(buffer, TAG_TEXT, text.as_bytes()),
                }
            }
        }))
    }
}

macro_rules! hash_bytes {
    ($($name:ident),+) => {
        $(impl $name {
            /// The 16 bytes kept on disk, big endian.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// From the 16 bytes kept on disk.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
        })+
    };
}

hash_bytes!(ContentHash, IdHash);

const TAG_NULL: u8 = 0;
const TAG_INTEGER: u8 = 1;
const TAG_REAL: u8 = 2;
const TAG_TEXT: u8 = 3;
const TAG_BLOB: u8 = 4;
const TAG_BOOL: u8 = 5;
const TAG_LIST: u8 = 6;
const TAG_MAP: u8 = 7;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn with_buffer(fill: impl FnOnce(&mut Vec<u8>)) -> u128 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        fill(buffer);
        xxh3_128(buffer)
    })
}

fn push_column(buffer: &mut Vec<u8>, column: &ColumnValue) {
    match column {
        ColumnValue::Null => buffer.push(TAG_NULL),
        ColumnValue::Integer(integer) => push(buffer, TAG_INTEGER, &integer.to_le_bytes()),
        ColumnValue::Real(real) => push(buffer, TAG_REAL, &normal(*real).to_bits().to_le_bytes()),
        ColumnValue::Text(text) => push_sized(buffer, TAG_TEXT, text.as_bytes()),
        ColumnValue::Blob(blob) => push_sized(buffer, TAG_BLOB, blob),
    }
}

fn push_value(buffer: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => buffer.push(TAG_NULL),
        Value::Bool(truth) => push(buffer, TAG_BOOL, &[u8::from(*truth)]),
        Value::Int(integer) => push(buffer, TAG_INTEGER, &integer.to_le_bytes()),
        Value::Float(real) => push(buffer, TAG_REAL, &normal(*real).to_bits().to_le_bytes()),
        Value::Text(text) => push_sized(buffer, TAG_TEXT, text.as_bytes()),
        Value::Bytes(bytes) => push_sized(buffer, TAG_BLOB, bytes),
        Value::List(items) => {
            push(buffer, TAG_LIST, &(items.len() as u64).to_le_bytes());
            for item in items {
                push_value(buffer, item);
            }
        }
        Value::Map(entries) => {
            push(buffer, TAG_MAP, &(entries.len() as u64).to_le_bytes());
            for (key, value) in entries {
                push_sized(buffer, TAG_TEXT, key.as_bytes());
                push_value(buffer, value);
            }
        }
    }
}

/// One bit pattern for values that are equal: `-0.0` and `0.0`, and all NaN.
fn normal(real: f64) -> f64 {
    if real.is_nan() {
        f64::NAN
    } else if real == 0.0 {
        0.0
    } else {
        real
    }
}

fn push(buffer: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    buffer.push(tag);
    buffer.extend_from_slice(bytes);
}

/// The length goes first, so that no two sequences of values have the same bytes.
fn push_sized(buffer: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    buffer.push(tag);
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}
