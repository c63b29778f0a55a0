//! What listeners of an app's tables are told: [`RowChange`], and the parts of the repository contract that serve them.
//!
//! Not here: who listens and how the changes reach them (`coordinator`).

use crate::{
    column::Image, descriptor::RowError, error::ErrorKind, id::DocumentId, query::QueryError,
    repository::RepositoryError,
};

/// A row changed, and the change is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange<T> {
    /// Its id.
    pub id: DocumentId,
    /// Who changed it.
    pub origin: Origin,
    /// The row as the table holds it now, which may be a newer state than the one the change left; `None`: it is deleted.
    pub row: Option<T>,
}

/// Who changed a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// SQL: of the app, any connection and process, its triggers and cascades among it.
    Local,
    /// This framework: a document came in, a row left the scope, or went back when a change was given up.
    Remote,
}

/// A row of which [`Repository::heard`](crate::repository::Repository::heard) tells that it changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touched {
    /// Its collection.
    pub collection: &'static str,
    /// Its id.
    pub id: DocumentId,
    /// Who changed it.
    pub origin: Origin,
}

/// A row as the table holds it, canonical; or what keeps it from being one of its model.
pub type ReadRow = Result<Image, RowUnreadable>;

/// Why a row of the table is none of its model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RowUnreadable(pub String);

impl From<RowError> for RowUnreadable {
    fn from(error: RowError) -> Self {
        Self(error.to_string())
    }
}

/// Something a listener should know. Its stream goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// This listener was too slow, and does not learn of so many changes: look at the whole table.
    #[error("{count} changes were missed, because the listener was too slow; read the table again")]
    Missed {
        /// How many changes.
        count: u64,
    },
    /// A row holds what its struct cannot.
    #[error("the row {id} cannot be read: {reason}")]
    Unreadable {
        /// The row.
        id: DocumentId,
        /// What is wrong with it, naming the field.
        reason: String,
    },
    /// The database failed; asked again at the next change.
    #[error("the rows could not be read")]
    Repository(#[source] RepositoryError),
    /// The type is none of the models that were started.
    #[error("`{model}` is not one of the models that were started; add it to the registry")]
    UnknownModel {
        /// The Rust type.
        model: String,
    },
    /// The query cannot be asked of this model.
    #[error("the query does not fit the model")]
    Query(#[source] QueryError),
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

impl ListenError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missed { .. } => ErrorKind::Transient,
            Self::Repository(error) => error.kind(),
            _ => ErrorKind::Permanent,
        }
    }
}
