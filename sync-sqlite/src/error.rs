//! From what SQLite and sqlx report to what the coordinator understands: [`Context`].
//!
//! Not here: which constraint was broken, which the apply loop judges by itself.

use std::{ffi::c_int, sync::Arc};

use ditto_sync_core::repository::RepositoryError;
use libsqlite3_sys as ffi;
use sqlx::sqlite::SqliteError;

use crate::native::NativeError;

/// What was being done to which file: what an error message needs to say.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    path: Arc<str>,
    action: &'static str,
}

/// Any failure of the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// Of a native call.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// Of a call through sqlx.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// Of the file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file was found to be read-only before anything was written.
    #[error("the database is read-only")]
    ReadOnly,
    /// Bookkeeping that does not decode.
    #[error(transparent)]
    Encoding(#[from] postcard::Error),
}

impl Context {
    /// `action` completes the sentence "could not ..".
    pub(crate) fn new(path: Arc<str>, action: &'static str) -> Self {
        Self { path, action }
    }

    /// What `error` means for the caller.
    pub(crate) fn error(&self, error: impl Into<DatabaseError>) -> RepositoryError {
        let error = error.into();
        let path = || self.path.to_string();
        let action = self.action;
        match error.code() {
            Some(ffi::SQLITE_READONLY_DBMOVED) => RepositoryError::Failed {
                action,
                source: error.into(),
            },
            code => match code.map(|code| code & 0xff) {
                Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => RepositoryError::Busy {
                    action,
                    source: error.into(),
                },
                Some(ffi::SQLITE_FULL) => RepositoryError::Full {
                    action,
                    source: error.into(),
                },
                Some(ffi::SQLITE_READONLY) => RepositoryError::ReadOnly { path: path() },
                Some(ffi::SQLITE_NOTADB) => RepositoryError::NotADatabase { path: path() },
                _ => RepositoryError::Failed {
                    action,
                    source: error.into(),
                },
            },
        }
    }
}

impl DatabaseError {
    /// SQLite's extended result code, where there is one.
    pub(crate) fn code(&self) -> Option<c_int> {
        match self {
            Self::Native(NativeError::Connection(error)) | Self::Sqlx(error) => sqlx_code(error),
            Self::Native(error) => error.code(),
            Self::ReadOnly => Some(ffi::SQLITE_READONLY),
            Self::Io(_) | Self::Encoding(_) => None,
        }
    }

    /// Another connection holds a lock.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(
            self.code().map(|code| code & 0xff),
            Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED)
        )
    }
}

fn sqlx_code(error: &sqlx::Error) -> Option<c_int> {
    error
        .as_database_error()?
        .try_downcast_ref::<SqliteError>()
        .and_then(|error| sqlx::error::DatabaseError::code(error)?.parse().ok())
}
