//! Bringing rows back from the store: what is asked for ([`BackupOptions`]), and what became of it ([`BackupReport`]).
//!
//! Not here: doing it, which is the coordinator's and the repository's.

pub(crate) mod plan;

use std::{fmt, time::Duration};

use crate::{
    coordinator::SyncError, error::ErrorKind, id::DocumentId, limits::BACKUP_PATIENCE, repository::Restored,
};

/// How a backup is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupOptions {
    dry_run: bool,
    patience: Duration,
}

impl BackupOptions {
    /// Restores what is missing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            dry_run: false,
            patience: BACKUP_PATIENCE,
        }
    }

    /// Changes nothing, and reports what a pull would do: constraints of the tables are asked, too.
    #[must_use]
    pub fn dry_run() -> Self {
        Self {
            dry_run: true,
            ..Self::new()
        }
    }

    /// How long to wait for documents that only peers hold, of models that are not observed anyway because they only send: for that time they are subscribed
    /// to before the store is read. 3 s by default; zero for a store that holds everything itself.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    pub(crate) fn patience_value(&self) -> Duration {
        self.patience
    }
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a pull did, or would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BackupReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Every document that was met, in the order in which they were.
    pub rows: Vec<BackupRow>,
    /// Collections that were not read, because values of the context that scope them are not known yet.
    pub awaiting_scope: Vec<&'static str>,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRow {
    /// Its collection.
    pub collection: &'static str,
    /// Its id.
    pub id: DocumentId,
    /// What became of it.
    pub outcome: BackupOutcome,
    /// What the hook `on_backup_restored` panicked with. The row is restored all the same.
    pub hook_failed: Option<String>,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupOutcome {
    /// Its row was missing and is back; in a dry run, would be.
    Restored,
    /// Its row is there and holds the same.
    Present,
    /// Its row is there and holds something else: it was left alone.
    Differs,
    /// Its row was deleted here: it was left so.
    Deleted,
    /// It does not belong on this device.
    OutOfScope,
    /// A link leads to it, and the store does not hold it.
    NotFound,
    /// It cannot be a row here: why, naming the field or constraint.
    Failed(String),
}

impl BackupRow {
    pub(crate) fn new(collection: &'static str, id: DocumentId, outcome: BackupOutcome) -> Self {
        Self {
            collection,
            id,
            outcome,
            hook_failed: None,
        }
    }
}

impl From<Restored> for BackupOutcome {
    fn from(restored: Restored) -> Self {
        match restored {
            Restored::Done => Self::Restored,
            Restored::Present => Self::Present,
            Restored::Differs => Self::Differs,
            Restored::Deleted => Self::Deleted,
            Restored::OutOfScope => Self::OutOfScope,
            Restored::Refused(reason) => Self::Failed(reason),
        }
    }
}

impl BackupReport {
    /// How many documents became rows.
    #[must_use]
    pub fn restored(&self) -> usize {
        let restored = |row: &&BackupRow| row.outcome == BackupOutcome::Restored;
        self.rows.iter().filter(restored).count()
    }

    /// The documents that cannot be rows here, and why.
    pub fn failed(&self) -> impl Iterator<Item = (&BackupRow, &str)> {
        self.rows.iter().filter_map(|row| match &row.outcome {
            BackupOutcome::Failed(reason) => Some((row, reason.as_str())),
            _ => None,
        })
    }
}

/// One line for each row that is not simply there.
impl fmt::Display for BackupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.dry_run { "would restore" } else { "restored" };
        writeln!(f, "{verb} {} of {} documents", self.restored(), self.rows.len())?;
        let shown =
            |row: &&BackupRow| !matches!(row.outcome, BackupOutcome::Restored | BackupOutcome::Present);
        for row in self.rows.iter().filter(shown) {
            let outcome = match &row.outcome {
                BackupOutcome::Failed(reason) => reason.as_str(),
                BackupOutcome::Differs => "the row here is another one, and was left",
                BackupOutcome::Deleted => "the row was deleted here",
                BackupOutcome::OutOfScope => "it is out of scope",
                BackupOutcome::NotFound => "the store does not hold it",
                BackupOutcome::Restored | BackupOutcome::Present => "",
            };
            writeln!(f, "{}/{}: {outcome}", row.collection, row.id)?;
        }
        Ok(())
    }
}

/// Why a pull did not come to its end. What it had restored by then stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The type is none of the models that were started.
    #[error("`{model}` is not one of the models that were started; add it to the registry")]
    UnknownModel {
        /// The Rust type.
        model: String,
    },
    /// Store or database failed in a way that trying again does not mend.
    #[error("the backup could not be pulled")]
    Failed(#[source] SyncError),
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

impl BackupError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Permanent
    }
}
