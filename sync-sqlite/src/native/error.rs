//! Why a native call failed: [`NativeError`], and which constraint it broke: [`ConstraintKind`].
//!
//! Not here: what that means to the user (`crate::error`).

use std::ffi::c_int;

use libsqlite3_sys as ffi;

/// Why a native call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// SQLite said no.
    #[error("{message} (SQLite code {code})")]
    Sqlite {
        /// The extended result code (<https://sqlite.org/rescode.html>).
        code: c_int,
        /// SQLite's own words.
        message: String,
    },
    /// The column holds text that is not UTF-8. SQLite stores whatever it is given.
    #[error("column {column} of the result holds text that is not UTF-8")]
    InvalidText {
        /// Counted from 0.
        column: usize,
    },
    /// The column holds a value of another storage class.
    #[error("column {column} of the result is not {expected}")]
    WrongType {
        /// Counted from 0.
        column: usize,
        /// The class that was asked for.
        expected: &'static str,
    },
    /// Not exactly one statement was given to prepare.
    #[error("expected exactly one statement")]
    NotOneStatement,
    /// sqlx could not hand out the connection.
    #[error("could not take the connection from its worker")]
    Connection(#[source] sqlx::Error),
}

/// Which constraint a statement broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstraintKind {
    /// FOREIGN KEY.
    ForeignKey,
    /// UNIQUE.
    Unique,
    /// PRIMARY KEY, also of a rowid.
    PrimaryKey,
    /// CHECK.
    Check,
    /// NOT NULL.
    NotNull,
    /// `RAISE` in a trigger.
    Trigger,
    /// The declared type of a STRICT table.
    DataType,
    /// Any other.
    Other,
}

impl NativeError {
    /// The extended result code, where SQLite gave one.
    pub(crate) fn code(&self) -> Option<c_int> {
        match self {
            Self::Sqlite { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Which constraint was broken, if one was.
    pub(crate) fn constraint(&self) -> Option<ConstraintKind> {
        if self.primary() != Some(ffi::SQLITE_CONSTRAINT) {
            return None;
        }
        Some(match self.code()? {
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConstraintKind::ForeignKey,
            ffi::SQLITE_CONSTRAINT_UNIQUE => ConstraintKind::Unique,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => ConstraintKind::PrimaryKey,
            ffi::SQLITE_CONSTRAINT_CHECK => ConstraintKind::Check,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ConstraintKind::NotNull,
            ffi::SQLITE_CONSTRAINT_TRIGGER => ConstraintKind::Trigger,
            ffi::SQLITE_CONSTRAINT_DATATYPE => ConstraintKind::DataType,
            _ => ConstraintKind::Other,
        })
    }

    /// Any constraint was broken.
    pub(crate) fn is_constraint(&self) -> bool {
        self.constraint().is_some()
    }

    /// The statement cannot be prepared, as when its table is gone.
    pub(crate) fn is_about_the_schema(&self) -> bool {
        self.primary() == Some(libsqlite3_sys::SQLITE_ERROR)
    }

    fn primary(&self) -> Option<c_int> {
        self.code().map(|code| code & 0xff)
    }
}
