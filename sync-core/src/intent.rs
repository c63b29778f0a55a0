//! A computed write batch, durable before it is handed to the store: [`Intent`].
//!
//! Not here: how an operation is computed (`outbound`), and how an intent is kept (the repository's affair).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    hash::ContentHash,
    id::DocumentId,
    value::Value,
};

/// The random name of one life of one database file: half of a [`BatchId`]. Replaced after a restore or a clone, so that no batch id
/// is ever used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReplicaId(u128);

impl ReplicaId {
    /// A fresh random id.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// An id made of these bytes: for repositories that load one, and for simulations.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The bytes kept on disk.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The identity of an intent. A store applies each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId {
    /// Whose batch.
    pub replica: ReplicaId,
    /// Its number; never used twice, not even after a refusal.
    pub sequence: u64,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.replica, self.sequence)
    }
}

/// A write batch. At most one is in flight per coordinator.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Its identity.
    pub batch: BatchId,
    /// Its operations; no two on the same document.
    pub operations: Vec<Operation>,
}

/// One row's part of an intent: what the store does, and what the repository records when it has been done.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The model whose collection is written.
    pub model: &'static ModelDescriptor,
    /// The document.
    pub id: DocumentId,
    /// The document this was computed against. If the store holds another one, the whole intent is refused.
    pub expect: Expect,
    /// What the store does.
    pub action: Action,
    /// What the repository records on acknowledgement. Stores ignore it.
    pub record: Record,
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.model.collection() == other.model.collection()
            && (&self.id, self.expect, &self.action, &self.record)
                == (&other.id, other.expect, &other.action, &other.record)
    }
}

/// What the store must hold for an operation to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// No document, or a husk.
    Absent,
    /// A document whose mapped fields have this hash
    /// ([`ModelDescriptor::hash_of`](crate::descriptor::ModelDescriptor::hash_of)).
    Hash(ContentHash),
    /// A document that cannot be read as a row, with this hash of all its fields
    /// ([`ContentHash::of_document`]): someone has edited it out of quarantine.
    Unreadable(ContentHash),
}

impl Expect {
    /// Whether this is what the store holds. A document that cannot be read as a row is no document a merge was computed against; it matches
    /// only [`Unreadable`](Self::Unreadable).
    #[must_use]
    pub fn is_met_by(self, model: &ModelDescriptor, document: Option<&Document>) -> bool {
        match (self, model.hash_of(document)) {
            (Self::Absent, Ok(None)) => true,
            (Self::Hash(expected), Ok(Some(found))) => expected == found,
            (Self::Unreadable(expected), Err(_)) => {
                document.is_some_and(|document| ContentHash::of_document(document) == expected)
            }
            _ => false,
        }
    }
}

/// What a store does with one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Writes the whole document, as a new write of every field; counters start a new epoch at their value. Over an existing document
    /// it deletes and inserts in one transaction.
    Insert(Document),
    /// Writes these fields only. Never the anchor.
    Patch {
        /// Registers and their new values.
        set: Vec<(FieldName, Value)>,
        /// Counters and by how much they grow (or shrink).
        increments: Vec<(FieldName, i64)>,
    },
    /// Deletes the document. Wins over every concurrent edit.
    Delete,
    /// Writes the document below every real write, if it is absent. Counters of all seeds share one epoch.
    Seed(Document),
}

/// What becomes of the bookkeeping when an operation has been applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The outbox entries of this row up to this one are covered; `None`: a seed covers none.
    pub covers: Option<OutboxSeq>,
    /// The hash of the row image *sent*: what the known set gets. `None` for a delete.
    pub sent: Option<ContentHash>,
    /// What takes the operation out of the base again, should the store lose it (power loss).
    pub undo: Undo,
}

/// How to un-acknowledge an operation, in column values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Undo {
    /// A seed: the row is simply not known any more.
    Seed,
    /// A patch: of each register the value before and the value sent; of each counter the increment. By position in the descriptor's fields.
    Patch {
        /// Position, value before, value sent.
        set: Vec<(usize, ColumnValue, ColumnValue)>,
        /// Position, increment.
        increments: Vec<(usize, i64)>,
    },
    /// An insert: the base before it (of a delete and re-insert), and the image sent.
    Insert {
        /// What the row and document agreed on before.
        base: Option<Image>,
        /// What was sent; `None`: the row that the document of the operation stands for, which it mostly is.
        sent: Option<Image>,
    },
    /// A delete: the base before it.
    Delete {
        /// What the row and document agreed on before.
        base: Image,
    },
}

/// The position of an entry in the outbox of one table. Grows; meaningful only while the entry exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutboxSeq(pub i64);
