//! One pass over rows, inside a savepoint where the database has foreign keys: [`Pass`].
//!
//! Foreign keys are deferred, so SQLite tells at the end only that some row has no parent, not which. Then the rows are asked one by one, the pass is
//! undone, and runs again without those found.

use ditto_sync_core::{
    merge::Conflict,
    repository::{Quarantined, RepositoryError, RowRef},
};

use super::{foreign_keys, guard, row::Table, work::Work};
use crate::{
    connection::Transaction,
    native::{Native, NativeError},
    state::{Fault, Memory, SLICE_ROWS, Session, on_native},
};

const ACTION: &str = super::ACTION;

/// What a pass did, by position in its work.
#[derive(Debug, Default)]
pub(super) struct Pass {
    pub(super) changed: Vec<usize>,
    pub(super) unchanged: usize,
    pub(super) left_scope: usize,
    /// With the positions of their models.
    pub(super) conflicts: Vec<(usize, Conflict)>,
    pub(super) failures: Vec<(usize, Failure)>,
    /// Rows that went with one that left the scope.
    pub(super) parked: Vec<RowRef>,
    /// Rows that are set aside although their documents went in.
    pub(super) quarantined: Vec<Quarantined>,
    /// Something changed beside known sets.
    pub(super) wrote: bool,
    /// The guard was raised.
    pub(super) guarded: bool,
}

/// Why a document does not go in.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another row is missing, or stands in the way.
    Waits(String),
    /// A constraint refuses it.
    Constraint(String),
    /// It, or the row it meets, cannot be read.
    Unreadable(String),
}

impl Failure {
    /// Whether other rows may make it pass.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Unreadable(_))
    }

    /// What a statement's error means for the row it was about; other errors are the database's.
    pub(super) fn of_row(native: &Native<'_>, error: NativeError) -> Result<Self, Fault> {
        use libsqlite3_sys::{SQLITE_MISMATCH, SQLITE_TOOBIG};

        use crate::native::ConstraintKind;
        let message = match &error {
            NativeError::Sqlite { message, .. } => message.clone(),
            other => other.to_string(),
        };
        match error.constraint() {
            Some(ConstraintKind::ForeignKey) => Ok(Self::Waits(message)),
            Some(ConstraintKind::Trigger) => {
                if native.execute("BEGIN").is_ok() {
                    // A trigger of the app has rolled everything back. What would follow now would be written for good, row by row.
                    native.execute("ROLLBACK")?;
                    return Err(error.into());
                }
                // RESTRICT is a trigger to SQLite.
                Ok(if message.starts_with("FOREIGN KEY") {
                    Self::Waits(message)
                } else {
                    Self::Constraint(message)
                })
            }
            Some(_) => Ok(Self::Constraint(message)),
            None if matches!(error.code(), Some(SQLITE_MISMATCH | SQLITE_TOOBIG)) => {
                Ok(Self::Constraint(message))
            }
            None => Err(error.into()),
        }
    }
}

impl Pass {
    /// Applies `work`; whatever fails has left no trace.
    pub(super) async fn run(
        session: &Session,
        (transaction, memory): (&mut Transaction, &mut Memory),
        work: &[Work<'_>],
    ) -> Result<Self, RepositoryError> {
        let mut excluded: Vec<(usize, Failure)> = Vec::new();
        loop {
            let skipped: std::collections::HashSet<usize> = excluded.iter().map(|(at, _)| *at).collect();
            let included: Vec<_> = (0..work.len()).filter(|at| !skipped.contains(at)).collect();
            let mark = memory.known_mark();
            // Without foreign keys there is nothing to undo, and a savepoint costs a copy of every page.
            let undoable = memory.has_foreign_keys();
            if undoable {
                on_native(transaction, ACTION, |native| {
                    Ok(native.execute("SAVEPOINT ditto_sync_apply")?)
                })
                .await?;
            }
            let mut pass = Self::default();
            for slice in included.chunks(SLICE_ROWS) {
                on_native(transaction, ACTION, |native| {
                    pass.slice(native, (session, memory), (work, slice))
                })
                .await?;
                tokio::task::yield_now().await;
            }
            if !undoable {
                return Ok(pass);
            }
            let found = on_native(transaction, ACTION, |native| {
                let found = pass.rows_without_relatives(native, session, work)?;
                if found.is_some() {
                    native.execute("ROLLBACK TO ditto_sync_apply")?;
                    memory.take_back_known(mark);
                    memory.read_again(native, session.models())?;
                }
                native.execute("RELEASE ditto_sync_apply")?;
                Ok(found)
            })
            .await?;
            match found {
                None => {
                    pass.failures.append(&mut excluded);
                    return Ok(pass);
                }
                Some(found) if found.is_empty() => {
                    return Self::one_by_one(session, (transaction, memory), (work, excluded)).await;
                }
                Some(found) => excluded.extend(found),
            }
        }
    }

    /// The rows that keep the transaction from committing; `None` when nothing does. Empty: it is none of those that can be asked.
    fn rows_without_relatives(
        &self,
        native: &Native<'_>,
        session: &Session,
        work: &[Work<'_>],
    ) -> Result<Option<Vec<(usize, Failure)>>, Fault> {
        if !native.has_unresolved_foreign_keys() {
            return Ok(None);
        }
        let keys = foreign_keys::all(native)?;
        foreign_keys::offenders(native, &keys, (session, work, &self.changed)).map(Some)
    }

    /// Each row in a savepoint of its own: slow, and needed only where a foreign key refers to other columns than the id.
    async fn one_by_one(
        session: &Session,
        (transaction, memory): (&mut Transaction, &mut Memory),
        (work, mut failures): (&[Work<'_>], Vec<(usize, Failure)>),
    ) -> Result<Self, RepositoryError> {
        let mut all = Self::default();
        for at in 0..work.len() {
            if failures.iter().any(|(failed, _)| *failed == at) {
                continue;
            }
            on_native(transaction, ACTION, |native| {
                let mark = memory.known_mark();
                native.execute("SAVEPOINT ditto_sync_apply")?;
                let mut one = Self::default();
                one.slice(native, (session, memory), (work, &[at]))?;
                if native.has_unresolved_foreign_keys() {
                    native.execute("ROLLBACK TO ditto_sync_apply")?;
                    memory.take_back_known(mark);
                    memory.read_again(native, session.models())?;
                    failures.push((at, Failure::Waits("FOREIGN KEY constraint failed".to_owned())));
                } else {
                    all.add(one);
                }
                Ok(native.execute("RELEASE ditto_sync_apply")?)
            })
            .await?;
            if at % SLICE_ROWS == 0 {
                tokio::task::yield_now().await;
            }
        }
        all.failures.append(&mut failures);
        Ok(all)
    }

    fn add(&mut self, mut other: Self) {
        self.changed.append(&mut other.changed);
        self.unchanged += other.unchanged;
        self.left_scope += other.left_scope;
        self.conflicts.append(&mut other.conflicts);
        self.parked.append(&mut other.parked);
        self.quarantined.append(&mut other.quarantined);
        self.failures.append(&mut other.failures);
        self.wrote |= other.wrote;
    }

    /// Applies the rows at these positions.
    fn slice(
        &mut self,
        native: &Native<'_>,
        (session, memory): (&Session, &mut Memory),
        (work, slice): (&[Work<'_>], &[usize]),
    ) -> Result<(), Fault> {
        let alike = |one: &usize, other: &usize| {
            let (one, other) = (&work[*one], &work[*other]);
            one.model == other.model && one.is_upsert() == other.is_upsert()
        };
        for run in slice.chunk_by(alike) {
            let first = &work[run[0]];
            let sql = &session.models()[first.model];
            if let Some(reason) = &memory.models[first.model].unusable {
                let failed = run.iter().map(|&at| (at, Failure::Unreadable(reason.clone())));
                self.failures.extend(failed);
                continue;
            }
            // Free, while a raised guard costs a statement per row. Changing it makes SQLite prepare its statements again, so never row by row.
            let silent = first.is_upsert() && !sql.user_triggers;
            if silent {
                native.set_triggers_enabled(false)?;
            }
            let mut table = Table::open(native, session, (first.model, silent))?;
            table.catch_up(memory)?;
            for &at in run {
                table.apply(memory, self, (at, &work[at]))?;
            }
            drop(table);
            if silent {
                native.set_triggers_enabled(true)?;
            }
        }
        if std::mem::take(&mut self.guarded) {
            guard::lower(native)?;
        }
        Ok(())
    }
}
