//! What can go wrong with the engine: [`EngineError`] within, [`OpenError`] for users; and how the first becomes a [`StoreError`].

use std::path::PathBuf;

use ditto_sync_core::{error::ErrorKind as Kind, query::QueryError, store::StoreError};
use dittolive_ditto::error::{CoreApiErrorKind, DittoError, ErrorKind};

/// A failure of one call of the engine.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    /// The engine says so.
    #[error("{0}")]
    Ditto(#[from] DittoError),
    /// A document that is no CBOR map.
    #[error("a document could not be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The query cannot be written in DQL.
    #[error("the query cannot be asked")]
    Query(#[from] QueryError),
    /// A panic of ours; the transaction was rolled back.
    #[error("a panic while it was being done")]
    Panicked,
}

impl EngineError {
    /// Whether another attempt must end alike.
    pub(super) fn is_permanent(&self) -> bool {
        use CoreApiErrorKind as Api;
        match self {
            Self::Ditto(error) => matches!(
                error.kind(),
                ErrorKind::Config
                    | ErrorKind::InvalidInput
                    | ErrorKind::CoreApi(
                        Api::DqlQueryCompilation
                            | Api::DqlInvalidQueryArgs
                            | Api::DqlEvaluationError
                            | Api::DqlUnsupported
                            | Api::ParameterQuery
                    )
            ),
            Self::Query(_) => true,
            Self::Unreadable(_) | Self::Panicked => false,
        }
    }

    /// The failure of this action.
    pub(super) fn into_store_error(self, action: &'static str) -> StoreError {
        let closed =
            matches!(&self, Self::Ditto(error) if matches!(error.kind(), ErrorKind::ReleasedDittoInstance));
        let permanent = self.is_permanent();
        let source = Box::new(self);
        match (closed, permanent) {
            (true, _) => StoreError::Closed,
            (_, true) => StoreError::Failed { action, source },
            _ => StoreError::Unavailable { action, source },
        }
    }
}

/// Why a Ditto store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The engine resolves relative paths against the executable, so they are refused.
    #[error("the persistence directory `{}` is not an absolute path", .0.display())]
    RelativeDirectory(PathBuf),
    /// Another Ditto, of this or another process, has the directory open.
    #[error("the directory `{}` is in use by another Ditto: close that one first", .0.display())]
    Locked(PathBuf),
    /// The engine could not be opened.
    #[error("the Ditto engine could not be opened")]
    Engine(#[source] DittoError),
    /// The engine is open, but its bookkeeping could not be made ready.
    #[error("the bookkeeping in Ditto could not be made ready")]
    Bookkeeping(#[source] StoreError),
    /// The engine did not keep the bookkeeping from being synced.
    #[error("Ditto did not take `{found}` as the sync scopes of its collections")]
    Scopes {
        /// What it holds instead.
        found: String,
    },
    /// A thread could not be started.
    #[error("a thread for the Ditto store could not be started")]
    Thread(#[source] std::io::Error),
}

impl OpenError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Locked(_) | Self::Thread(_) => Kind::Transient,
            Self::Bookkeeping(error) => error.kind(),
            _ => Kind::Permanent,
        }
    }
}
