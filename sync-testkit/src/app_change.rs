//! What an app does to its own tables, as a value: [`AppChange`]. Tests and simulations build them; each kind of repository carries them out
//! with its own means.
//!
//! Not here: how a change is captured, which is the repository's affair.

use std::fmt;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    id::DocumentId,
};

/// A committed change of the app. Every variant is one transaction; inside [`Transaction`](Self::Transaction) they are its statements.
#[derive(Clone)]
pub enum AppChange {
    /// `INSERT`: fails when the row exists.
    Insert {
        /// The model whose table is written.
        model: &'static ModelDescriptor,
        /// The new row's id.
        id: DocumentId,
        /// Its columns.
        image: Image,
    },
    /// `UPDATE .. SET` of some columns: does nothing when the row does not exist.
    Update {
        /// The model whose table is written.
        model: &'static ModelDescriptor,
        /// The row.
        id: DocumentId,
        /// Column names and their new values.
        columns: Vec<(&'static str, ColumnValue)>,
    },
    /// `INSERT .. ON CONFLICT DO UPDATE`: inserts the row, or updates it in place.
    Upsert {
        /// The model whose table is written.
        model: &'static ModelDescriptor,
        /// The row.
        id: DocumentId,
        /// Its columns.
        image: Image,
    },
    /// `INSERT OR REPLACE`: removes every row that stands in the way of a key, then inserts.
    Replace {
        /// The model whose table is written.
        model: &'static ModelDescriptor,
        /// The row.
        id: DocumentId,
        /// Its columns.
        image: Image,
    },
    /// `DELETE`: does nothing when the row does not exist.
    Delete {
        /// The model whose table is written.
        model: &'static ModelDescriptor,
        /// The row.
        id: DocumentId,
    },
    /// Several statements in one transaction: all of them, or none.
    Transaction(Vec<AppChange>),
}

impl AppChange {
    /// An [`Insert`](Self::Insert).
    #[must_use]
    pub fn insert(model: &'static ModelDescriptor, id: &DocumentId, image: &Image) -> Self {
        Self::Insert {
            model,
            id: id.clone(),
            image: image.clone(),
        }
    }

    /// An [`Update`](Self::Update).
    #[must_use]
    pub fn update(
        model: &'static ModelDescriptor,
        id: &DocumentId,
        columns: &[(&'static str, ColumnValue)],
    ) -> Self {
        Self::Update {
            model,
            id: id.clone(),
            columns: columns.to_vec(),
        }
    }

    /// An [`Upsert`](Self::Upsert).
    #[must_use]
    pub fn upsert(model: &'static ModelDescriptor, id: &DocumentId, image: &Image) -> Self {
        Self::Upsert {
            model,
            id: id.clone(),
            image: image.clone(),
        }
    }

    /// A [`Replace`](Self::Replace).
    #[must_use]
    pub fn replace(model: &'static ModelDescriptor, id: &DocumentId, image: &Image) -> Self {
        Self::Replace {
            model,
            id: id.clone(),
            image: image.clone(),
        }
    }

    /// A [`Delete`](Self::Delete).
    #[must_use]
    pub fn delete(model: &'static ModelDescriptor, id: &DocumentId) -> Self {
        Self::Delete {
            model,
            id: id.clone(),
        }
    }
}

/// As a statement would say it; without the descriptor.
impl fmt::Debug for AppChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insert { model, id, image } => write!(f, "insert {id} into {}: {image:?}", model.table()),
            Self::Update { model, id, columns } => write!(f, "update {id} of {}: {columns:?}", model.table()),
            Self::Upsert { model, id, image } => write!(f, "upsert {id} into {}: {image:?}", model.table()),
            Self::Replace { model, id, image } => write!(f, "replace {id} in {}: {image:?}", model.table()),
            Self::Delete { model, id } => write!(f, "delete {id} from {}", model.table()),
            Self::Transaction(changes) => f.debug_list().entries(changes).finish(),
        }
    }
}
