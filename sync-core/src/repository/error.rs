//! Why a repository operation failed: [`RepositoryError`].
//!
//! Not here: records that do not fit, which are no failure but go into quarantine.

use std::fmt;

use crate::error::{ErrorKind, Source};

/// Why a repository operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The database does not fit the models. Lists everything at once.
    #[error("the database does not fit the models:{}", .0.iter().map(|finding| format!("\n  - {finding}")).collect::<String>())]
    Unusable(Vec<Finding>),
    /// Another coordinator works on this database.
    #[error("another coordinator uses {path}; stop it, or give this one a database of its own")]
    InUse {
        /// The database file.
        path: String,
    },
    /// The file cannot be written.
    #[error("{path} cannot be written; check its permissions and those of its directory")]
    ReadOnly {
        /// The database file.
        path: String,
    },
    /// No space is left.
    #[error("no space is left while trying to {action}")]
    Full {
        /// What was attempted.
        action: &'static str,
        /// The database's own words.
        source: Source,
    },
    /// The file is something else than a database.
    #[error("{path} is not a SQLite database")]
    NotADatabase {
        /// The file.
        path: String,
    },
    /// The bookkeeping was written by a newer version of this library.
    #[error(
        "the bookkeeping in {path} has format {found}, this version knows up to {supported}; upgrade ditto-sync"
    )]
    FutureFormat {
        /// The database file.
        path: String,
        /// The format found.
        found: i64,
        /// The newest format known.
        supported: i64,
    },
    /// Another connection held the write lock too long.
    #[error("the database was locked by another connection while trying to {action}")]
    Busy {
        /// What was attempted.
        action: &'static str,
        /// The database's own words.
        source: Source,
    },
    /// An address that cannot be synced.
    #[error("{0}")]
    Unsupported(String),
    /// The database failed.
    #[error("could not {action}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: Source,
    },
    /// The repository was closed.
    #[error("the repository is closed")]
    Closed,
}

impl RepositoryError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Full { .. } | Self::Failed { .. } => ErrorKind::Transient,
            _ => ErrorKind::Permanent,
        }
    }
}

/// One thing wrong with a table, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: String,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do or run.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`", self.table)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}; {}", self.problem, self.remedy)
    }
}
