//! Canonical hashes of ids and of row images.
//!
//! A hash answers "unchanged?" and nothing else: xxh3 is not collision resistant against a malicious peer, so no decision about
//! trust may rest on it. The bytes hashed are a durable format: [`HASH_FORMAT`] names it.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    column::{ColumnValue, Image},
    descriptor::{ModelDescriptor, RowError, next_of},
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
    /// The hash of the row that `document` stands for, without making it: the same as that of its image.
    ///
    /// # Errors
    /// When the document is no row of the model; names one field.
    pub(crate) fn of_row(model: &ModelDescriptor, document: &Document) -> Result<Self, RowError> {
        let mut failed = None;
        let hash = with_buffer(|buffer| {
            let mut fields = document.iter().peekable();
            for &at in model.hash_order() {
                let field = &model.fields()[at];
                match next_of(&mut fields, field.document_name()) {
                    Some(value) if field.keeps(value) => {
                        if !field.is_volatile() {
                            push_value(buffer, value);
                        }
                    }
                    value => match field.column_of(value) {
                        Ok(column) if !field.is_volatile() => push_column(buffer, &column),
                        Ok(_) => {}
                        Err(reason) => {
                            failed = Some(reason);
                            return;
                        }
                    },
                }
            }
        });
        match failed {
            None => Ok(Self(hash)),
            Some(reason) => Err(reason),
        }
    }

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
                    IdPart::Integer(integer) => push(buffer, TAG_INTEGER, integer.to_le_bytes()),
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
        ColumnValue::Integer(integer) => push(buffer, TAG_INTEGER, integer.to_le_bytes()),
        ColumnValue::Real(real) => push(buffer, TAG_REAL, normal(*real).to_bits().to_le_bytes()),
        ColumnValue::Text(text) => push_sized(buffer, TAG_TEXT, text.as_bytes()),
        ColumnValue::Blob(blob) => push_sized(buffer, TAG_BLOB, blob),
    }
}

fn push_value(buffer: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => buffer.push(TAG_NULL),
        Value::Bool(truth) => buffer.extend_from_slice(&[TAG_BOOL, u8::from(*truth)]),
        Value::Int(integer) => push(buffer, TAG_INTEGER, integer.to_le_bytes()),
        Value::Float(real) => push(buffer, TAG_REAL, normal(*real).to_bits().to_le_bytes()),
        Value::Text(text) => push_sized(buffer, TAG_TEXT, text.as_bytes()),
        Value::Bytes(bytes) => push_sized(buffer, TAG_BLOB, bytes),
        Value::List(items) => {
            push(buffer, TAG_LIST, (items.len() as u64).to_le_bytes());
            for item in items {
                push_value(buffer, item);
            }
        }
        Value::Map(entries) => {
            push(buffer, TAG_MAP, (entries.len() as u64).to_le_bytes());
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

fn push(buffer: &mut Vec<u8>, tag: u8, bytes: [u8; 8]) {
    let [a, b, c, d, e, f, g, h] = bytes;
    buffer.extend_from_slice(&[tag, a, b, c, d, e, f, g, h]);
}

/// The length goes first, so that no two sequences of values have the same bytes.
fn push_sized(buffer: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    push(buffer, tag, (bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        descriptor::FieldDescriptor,
        repository::{InboundItem, Incoming},
        scope::Scopes,
    };

    static MODEL: ModelDescriptor = ModelDescriptor::new(
        "Item",
        "items",
        "items",
        &[FieldDescriptor::of::<String>("id", "id", "id")],
        &[
            FieldDescriptor::of::<String>("name", "zName", "name"),
            FieldDescriptor::of::<Option<i64>>("count", "count", "count"),
            FieldDescriptor::of::<f64>("price", "aPrice", "price").default_value(|| Value::Float(1.5)),
            FieldDescriptor::of::<bool>("sold", "sold", "sold"),
            FieldDescriptor::of::<String>("seen", "seen", "seen").volatile(),
            FieldDescriptor::of::<Option<String>>("note", "note", "note"),
        ],
    );

    /// Every document made of these choices for each field: missing, NULL, and values of several kinds.
    fn documents() -> Vec<Document> {
        let choices = |name: &'static str| -> Vec<Option<Value>> {
            let all = [
                None,
                Some(Value::Null),
                Some(Value::Text("text".into())),
                Some(Value::Int(7)),
                Some(Value::Float(-0.0)),
                Some(Value::Float(f64::NAN)),
                Some(Value::Bool(true)),
            ];
            match name {
                "other" => vec![None, Some(Value::Text("unmapped".into()))],
                _ => all.to_vec(),
            }
        };
        let usual = [
            ("id", Value::Int(1)),
            ("zName", Value::Text("tea".into())),
            ("count", Value::Int(1)),
            ("aPrice", Value::Float(2.5)),
            ("sold", Value::Bool(false)),
            ("seen", Value::Text("today".into())),
            ("note", Value::Null),
        ];
        let mut documents = Vec::new();
        for first in ["aPrice", "count", "note", "seen", "sold", "zName", "other"] {
            for second in ["count", "other", "seen", "zName"] {
                for (one, two) in choices(first)
                    .iter()
                    .flat_map(|one| choices(second).into_iter().map(move |two| (one.clone(), two)))
                {
                    let mut document: Document = usual.clone().into_iter().collect();
                    for (name, value) in [(first, one), (second, two)] {
                        document.remove(name);
                        if let Some(value) = value {
                            document.set(name, value);
                        }
                    }
                    documents.push(document);
                }
            }
        }
        documents
    }

    #[test]
    fn the_hash_of_a_document_is_that_of_its_row() {
        let (mut rows, mut others) = (0, 0);
        for mut document in documents() {
            if ContentHash::of_row(&MODEL, &document).is_ok() {
                let image = MODEL.image_of(&document).expect("a row");
                let taken = MODEL.take_image(&mut document.clone()).expect("a row");
                assert_eq!(taken, image, "{document:?}");
            } else {
                let before = document.clone();
                let item =
                    InboundItem::new(&MODEL, DocumentId::integer(1), Some(document), &Scopes::default());
                match item.incoming {
                    Incoming::Unreadable { document: kept, .. } => document = kept,
                    other => panic!("{other:?}"),
                }
                assert_eq!(document, before, "what is no row stays as it was");
            }
            match (MODEL.image_of(&document), ContentHash::of_row(&MODEL, &document)) {
                (Ok(image), Ok(hash)) => {
                    assert_eq!(hash, ContentHash::of(&MODEL, &image), "{document:?}");
                    rows += 1;
                }
                (Err(_), Err(_)) => others += 1,
                (image, hash) => panic!("{document:?}: {image:?}, {hash:?}"),
            }
        }
        assert!(rows > 100 && others > 100, "{rows} rows, {others} others");
    }
}
