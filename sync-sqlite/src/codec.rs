//! The bytes kept in the bookkeeping tables: postcard behind a leading format byte.
//!
//! Not here: which table holds what (`state`, `quarantine`), and the hashes, which are kept bare.

use std::borrow::Cow;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, OutboxSeq, Record, Undo},
    merge::FieldConflict,
};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::limits::OPERATION_BYTES;

/// The format written now. A reader refuses others: formats change only together with the bookkeeping's own version.
const FORMAT: u8 = 1;

/// Why bytes from a bookkeeping table cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Nothing, or bytes of another format.
    #[error("the bookkeeping holds an entry of unknown format {found:?}")]
    Format {
        /// The leading byte.
        found: Option<u8>,
    },
    /// The right format, but damaged.
    #[error("a bookkeeping entry cannot be read")]
    Damaged(#[source] postcard::Error),
    /// A number that cannot be one.
    #[error("the bookkeeping holds the impossible number {0}")]
    Number(i64),
    /// Hashes that do not come out even.
    #[error("the bookkeeping holds {0} bytes of a hash that is longer")]
    HashLength(usize),
    /// An intent names a collection that is not registered.
    #[error(
        "an unfinished write names the collection `{0}`, which no registered adapter has; register it until that write is settled"
    )]
    UnknownCollection(String),
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    encode_into(value, Vec::new())
}

/// Encodes into an empty vector, which has room for it at best.
fn encode_into<T: Serialize + ?Sized>(value: &T, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(FORMAT);
    postcard::serialize_with_flavor(value, Growing(bytes))
        .expect("growing a vector does not fail, and our types have lengths")
}

/// Where postcard writes to. Its own vectors take texts byte by byte.
struct Growing(Vec<u8>);

impl Flavor for Growing {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(CodecError::Damaged),
        other => Err(CodecError::Format {
            found: other.map(|(first, _)| *first),
        }),
    }
}

/// The name of a row in the parked and quarantine tables: its id, or its key columns as they are when they make no id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RowName {
    Id(DocumentId),
    Columns(Vec<ColumnValue>),
}

/// What the quarantine keeps of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RawRecord {
    /// A document as it came; `None`: an absent one, whose row could not be deleted.
    Inbound(Option<Document>),
    /// A document that was a row of the model, but not one the table takes.
    InboundColumns(Vec<ColumnValue>),
    /// A row that cannot be sent, up to this outbox entry (0: it has none). A newer entry makes it worth another try.
    Outbound { last: i64 },
}

/// The fields of a conflict as kept.
pub(crate) fn encode_conflict_fields(fields: &[FieldConflict]) -> Vec<u8> {
    let fields: Vec<(&str, &Option<ColumnValue>, &Option<ColumnValue>)> = fields
        .iter()
        .map(|field| (field.field, &field.local, &field.remote))
        .collect();
    encode(&fields)
}

/// The fields of a conflict as they were. A field that the model has no more is left out.
pub(crate) fn decode_conflict_fields(
    bytes: &[u8],
    model: &ModelDescriptor,
) -> Result<Vec<FieldConflict>, CodecError> {
    let stored: Vec<(String, Option<ColumnValue>, Option<ColumnValue>)> = decode(bytes)?;
    let fields = stored.into_iter().filter_map(|(name, local, remote)| {
        let field = model
            .fields()
            .iter()
            .find(|field| field.document_name() == name)?
            .document_name();
        Some(FieldConflict { field, local, remote })
    });
    Ok(fields.collect())
}

#[derive(Serialize, Deserialize)]
struct StoredIntent<'a> {
    batch: BatchId,
    operations: Vec<StoredOperation<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredOperation<'a> {
    collection: Cow<'a, str>,
    id: Cow<'a, DocumentId>,
    expect: Expect,
    action: Cow<'a, Action>,
    record: StoredRecord<'a>,
}

/// [`Record`].
#[derive(Serialize, Deserialize)]
struct StoredRecord<'a> {
    covers: Option<OutboxSeq>,
    sent: Option<ContentHash>,
    undo: StoredUndo<'a>,
}

/// [`Undo`], and one variant behind its own.
#[derive(Serialize, Deserialize)]
enum StoredUndo<'a> {
    Seed,
    Patch {
        set: Cow<'a, [(usize, ColumnValue, ColumnValue)]>,
        increments: Cow<'a, [(usize, i64)]>,
    },
    Insert {
        base: Cow<'a, Option<Image>>,
        sent: Cow<'a, Image>,
    },
    Delete {
        base: Cow<'a, Image>,
    },
    /// An insert of the row that its document stands for, so that what it holds is written once.
    InsertOfDocument {
        base: Cow<'a, Option<Image>>,
    },
}

impl<'a> StoredUndo<'a> {
    fn of(undo: &'a Undo) -> Self {
        match undo {
            Undo::Insert { base, sent: None } => Self::InsertOfDocument {
                base: Cow::Borrowed(base),
            },
            Undo::Insert {
                base,
                sent: Some(sent),
            } => Self::Insert {
                base: Cow::Borrowed(base),
                sent: Cow::Borrowed(sent),
            },
            Undo::Patch { set, increments } => Self::Patch {
                set: Cow::Borrowed(set),
                increments: Cow::Borrowed(increments),
            },
            Undo::Delete { base } => Self::Delete {
                base: Cow::Borrowed(base),
            },
            Undo::Seed => Self::Seed,
        }
    }

    fn into_undo(self, action: &Action) -> Result<Undo, CodecError> {
        Ok(match self {
            Self::Seed => Undo::Seed,
            Self::Patch { set, increments } => Undo::Patch {
                set: set.into_owned(),
                increments: increments.into_owned(),
            },
            Self::Insert { base, sent } => Undo::Insert {
                base: base.into_owned(),
                sent: Some(sent.into_owned()),
            },
            Self::Delete { base } => Undo::Delete {
                base: base.into_owned(),
            },
            Self::InsertOfDocument { base } if matches!(action, Action::Insert(_)) => Undo::Insert {
                base: base.into_owned(),
                sent: None,
            },
            Self::InsertOfDocument { .. } => {
                return Err(CodecError::Damaged(postcard::Error::DeserializeBadEncoding));
            }
        })
    }
}

pub(crate) fn encode_intent(intent: &Intent) -> Vec<u8> {
    let operations = intent.operations.iter().map(|operation| StoredOperation {
        collection: Cow::Borrowed(operation.model.collection()),
        id: Cow::Borrowed(&operation.id),
        expect: operation.expect,
        action: Cow::Borrowed(&operation.action),
        record: StoredRecord {
            covers: operation.record.covers,
            sent: operation.record.sent,
            undo: StoredUndo::of(&operation.record.undo),
        },
    });
    let stored = StoredIntent {
        batch: intent.batch,
        operations: operations.collect(),
    };
    let room = intent.operations.len() * OPERATION_BYTES;
    encode_into(&stored, Vec::with_capacity(room))
}

/// An intent as it was; `find` knows the models by collection.
pub(crate) fn decode_intent(
    bytes: &[u8],
    mut find: impl FnMut(&str) -> Option<&'static ModelDescriptor>,
) -> Result<Intent, CodecError> {
    let stored: StoredIntent<'_> = decode(bytes)?;
    let mut operations = Vec::with_capacity(stored.operations.len());
    for operation in stored.operations {
        let collection = operation.collection.as_ref();
        let model = find(collection).ok_or_else(|| CodecError::UnknownCollection(collection.to_owned()))?;
        let StoredRecord { covers, sent, undo } = operation.record;
        let undo = undo.into_undo(&operation.action)?;
        operations.push(Operation {
            model,
            id: operation.id.into_owned(),
            expect: operation.expect,
            action: operation.action.into_owned(),
            record: Record { covers, sent, undo },
        });
    }
    Ok(Intent {
        batch: stored.batch,
        operations,
    })
}

pub(crate) fn sequence_to_sql(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("2^63 intents take longer than the universe is old")
}

pub(crate) fn sequence_from_sql(stored: i64) -> Result<u64, CodecError> {
    u64::try_from(stored).map_err(|_| CodecError::Number(stored))
}

/// The newest entry that an operation covers, as the outbox numbers it.
pub(crate) fn covered(record: &Record) -> Option<i64> {
    record.covers.map(|OutboxSeq(seq)| seq)
}

#[cfg(test)]
mod tests {
    use ditto_sync_core::{descriptor::FieldDescriptor, intent::ReplicaId};

    use super::*;

    static MODEL: ModelDescriptor = ModelDescriptor::new(
        "Note",
        "notes",
        "notes",
        &[FieldDescriptor::of::<String>("id", "id", "id")],
        &[FieldDescriptor::of::<f64>("weight", "weight", "weight")],
    );

    fn intent() -> Intent {
        let image = Image::new(vec![ColumnValue::Real(0.1)]);
        let id = DocumentId::text("n1").unwrap();
        Intent {
            batch: BatchId {
                replica: ReplicaId::from_bytes([7; 16]),
                sequence: 3,
            },
            operations: vec![Operation {
                model: &MODEL,
                action: Action::Insert(MODEL.document_of(&id, &image).unwrap()),
                id,
                expect: Expect::Absent,
                record: Record {
                    covers: Some(OutboxSeq(9)),
                    sent: Some(ContentHash::of(&MODEL, &image)),
                    undo: Undo::Insert {
                        base: None,
                        sent: None,
                    },
                },
            }],
        }
    }

    #[test]
    fn an_intent_comes_back_as_it_was() {
        let bytes = encode_intent(&intent());
        assert_eq!(bytes[0], FORMAT);
        assert_eq!(decode_intent(&bytes, |_| Some(&MODEL)).unwrap(), intent());
    }

    /// With an undo of every kind.
    fn intents() -> Vec<Intent> {
        let image = |weight| Image::new(vec![ColumnValue::Real(weight)]);
        let undos = [
            Undo::Seed,
            Undo::Patch {
                set: vec![(0, ColumnValue::Null, ColumnValue::Text("9".into()))],
                increments: vec![(1, -4)],
            },
            Undo::Insert {
                base: Some(image(0.2)),
                sent: None,
            },
            Undo::Insert {
                base: None,
                sent: Some(image(0.3)),
            },
            Undo::Delete { base: image(0.2) },
        ];
        let with = |undo| {
            let mut intent = intent();
            intent.operations[0].record.undo = undo;
            intent
        };
        undos.into_iter().map(with).collect()
    }

    #[test]
    fn the_texts_of_an_insert_are_written_once_and_an_undo_comes_back_as_it_was() {
        for intent in intents() {
            let bytes = encode_intent(&intent);
            assert_eq!(decode_intent(&bytes, |_| Some(&MODEL)).unwrap(), intent);
        }
        let weights = |intent: &Intent| {
            let bytes = encode_intent(intent);
            bytes.windows(8).filter(|at| *at == 0.1_f64.to_le_bytes()).count()
        };
        assert_eq!(weights(&intent()), 1);
    }

    /// An operation as it was written before, with the row beside the document.
    #[derive(Serialize)]
    struct Former<'a> {
        collection: &'a str,
        id: &'a DocumentId,
        expect: Expect,
        action: &'a Action,
        record: FormerRecord,
    }

    #[derive(Serialize)]
    struct FormerRecord {
        covers: Option<OutboxSeq>,
        sent: Option<ContentHash>,
        undo: FormerUndo,
    }

    #[derive(Serialize)]
    enum FormerUndo {
        Seed,
        Patch {
            set: Vec<(usize, ColumnValue, ColumnValue)>,
            increments: Vec<(usize, i64)>,
        },
        Insert {
            base: Option<Image>,
            sent: Image,
        },
        Delete {
            base: Image,
        },
    }

    fn former(undo: Undo) -> Option<FormerUndo> {
        Some(match undo {
            Undo::Seed => FormerUndo::Seed,
            Undo::Patch { set, increments } => FormerUndo::Patch { set, increments },
            Undo::Insert { base, sent } => FormerUndo::Insert { base, sent: sent? },
            Undo::Delete { base } => FormerUndo::Delete { base },
        })
    }

    #[test]
    fn intents_of_before_are_read() {
        let mut read = 0;
        for intent in intents() {
            let [operation] = intent.operations.as_slice() else {
                panic!("one operation");
            };
            let Some(undo) = former(operation.record.undo.clone()) else {
                continue;
            };
            let operation = Former {
                collection: operation.model.collection(),
                id: &operation.id,
                expect: operation.expect,
                action: &operation.action,
                record: FormerRecord {
                    covers: operation.record.covers,
                    sent: operation.record.sent,
                    undo,
                },
            };
            let bytes = encode(&(intent.batch, [operation].as_slice()));
            assert_eq!(decode_intent(&bytes, |_| Some(&MODEL)).unwrap(), intent);
            read += 1;
        }
        assert_eq!(read, 4, "one of each kind");
    }

    #[test]
    fn an_undo_that_is_none_of_its_action_is_refused() {
        let id = DocumentId::text("n1").unwrap();
        let operation = StoredOperation {
            collection: Cow::Borrowed("notes"),
            id: Cow::Borrowed(&id),
            expect: Expect::Absent,
            action: Cow::Borrowed(&Action::Delete),
            record: StoredRecord {
                covers: None,
                sent: None,
                undo: StoredUndo::InsertOfDocument {
                    base: Cow::Owned(None),
                },
            },
        };
        let stored = StoredIntent {
            batch: intent().batch,
            operations: vec![operation],
        };
        let refused = decode_intent(&encode(&stored), |_| Some(&MODEL));
        assert!(matches!(refused, Err(CodecError::Damaged(_))), "{refused:?}");
    }

    #[test]
    fn bytes_are_those_of_postcard_behind_the_format() {
        let value = ("text", vec![0_u8, 255], u128::MAX, Some(-0.1_f64), [(1_u16, 'ž')]);
        let mut bytes = vec![FORMAT];
        bytes.extend(postcard::to_allocvec(&value).unwrap());
        assert_eq!(encode(&value), bytes);
        // Whatever room there is.
        for room in [0, 1, bytes.len(), 2 * bytes.len()] {
            assert_eq!(encode_into(&value, Vec::with_capacity(room)), bytes);
        }
    }

    #[test]
    fn an_intent_of_an_unregistered_collection_says_which() {
        let bytes = encode_intent(&intent());
        let error = decode_intent(&bytes, |_| None).unwrap_err();
        assert!(error.to_string().contains("`notes`"), "{error}");
    }

    #[test]
    fn bytes_of_another_format_are_refused() {
        let mut bytes = encode(&1_u32);
        bytes[0] = 200;
        assert!(matches!(
            decode::<u32>(&bytes),
            Err(CodecError::Format { found: Some(200) })
        ));
        assert!(matches!(
            decode::<u32>(&[]),
            Err(CodecError::Format { found: None })
        ));
    }
}
