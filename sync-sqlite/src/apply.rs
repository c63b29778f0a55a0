//! Documents into rows: [`apply`]; and which of them change nothing: [`agrees`].
//!
//! A batch becomes transactions of bounded size, each of them slices between which the task yields. Inside a transaction a [`pass`](pass::Pass) goes over
//! the rows; what a constraint refuses is tried once more after everything else, and then parked or quarantined. Not here: what a document
//! does to its row (`merge::inbound`).

pub(crate) mod foreign_keys;
pub(crate) mod guard;
mod pass;
pub(crate) mod restore;
mod row;
mod work;

use ditto_sync_core::{
    hash::{ContentHash, IdHash},
    id::DocumentId,
    repository::{Applied, InboundBatch, Mark, Quarantined, RepositoryError, RowRef, Way},
};

use self::{
    pass::{Failure, Pass},
    work::Work,
};
use crate::{
    connection::{Durability, Reader, Transaction, Writer},
    known::{KnownWrite, id_key},
    native::Native,
    quarantine::{self, Record},
    state::{FLUSH_ROWS, Fault, Memory, Session, on_native},
};

const ACTION: &str = "apply changes from the store";

/// Brings documents into the tables.
pub(crate) async fn apply(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    batch: InboundBatch<'_>,
) -> Result<Applied, RepositoryError> {
    let mut memory = session.memory().await;
    let mut work = work::in_order(session, batch.items)?;
    // Of all models: what leaves the scope may take rows of others along.
    end_doubts(session, (writer, reader), (&mut memory, session.order())).await?;
    let offered = work.len();
    work.retain(|work| !work.is_settled(&memory));
    let mut applying = Applying {
        session,
        writer,
        batch,
        applied: Applied {
            unchanged: offered - work.len(),
            ..Applied::default()
        },
        deferred: Vec::new(),
        wrote: false,
    };
    if !work.is_empty()
        || !batch
            .marks
            .iter()
            .all(|mark| memory.persisted.has(mark, session.models()))
    {
        applying.all(&mut memory, &work).await?;
    }
    Ok(applying.applied)
}

/// Which documents of a model are what their rows agreed on last, and are no trouble.
pub(crate) async fn agrees(
    session: &Session,
    connections: (&Writer, &Reader),
    (model, documents): (usize, &[(&DocumentId, ContentHash)]),
) -> Result<Vec<bool>, RepositoryError> {
    let mut memory = session.memory().await;
    end_doubts(session, connections, (&mut memory, &[model])).await?;
    let documents = documents.iter();
    Ok(documents
        .map(|(id, hash)| memory.agrees(model, id_key(IdHash::of(id)), *hash))
        .collect())
}

/// Makes sure that memory holds what the database does, with the known sets of these models.
async fn end_doubts(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    (memory, models): (&mut Memory, &[usize]),
) -> Result<(), RepositoryError> {
    session.load_known(reader, memory, models).await?;
    if memory.is_doubtful() {
        // What is parked is not known before a transaction has looked.
        let transaction = session
            .begin(writer, memory, (ACTION, Durability::Normal))
            .await?;
        memory.end_unchanged(transaction).await?;
    }
    Ok(())
}

/// A batch being applied.
struct Applying<'a> {
    session: &'a Session,
    writer: &'a Writer,
    batch: InboundBatch<'a>,
    applied: Applied,
    /// What did not go in at the first attempt.
    deferred: Vec<(Work<'a>, Failure)>,
    /// The transaction under way has changed something beside known sets.
    wrote: bool,
}

impl<'a> Applying<'a> {
    async fn all(&mut self, memory: &mut Memory, work: &[Work<'a>]) -> Result<(), RepositoryError> {
        let rows_max = self.batch.transaction_rows_max.max(1);
        let mut rest = work;
        loop {
            let (chunk, behind) = rest.split_at(rest.len().min(rows_max));
            rest = behind;
            let mut transaction = self.begin(memory).await?;
            let failures = self.attempt(&mut transaction, memory, chunk).await?;
            self.deferred.extend(failures);
            if rest.is_empty() && self.deferred.len() <= rows_max {
                self.last_attempts(&mut transaction, memory).await?;
                return self.end(transaction, memory).await;
            }
            self.finish(transaction, memory).await?;
            if rest.is_empty() {
                break;
            }
        }
        self.deferred_in_transactions(memory, rows_max).await
    }

    /// Further attempts, where one transaction would be too long for them: as long as they get anything in.
    async fn deferred_in_transactions(
        &mut self,
        memory: &mut Memory,
        rows_max: usize,
    ) -> Result<(), RepositoryError> {
        let mut failed = usize::MAX;
        while self.deferred.len() < failed {
            failed = self.deferred.len();
            let deferred = std::mem::take(&mut self.deferred);
            let (retried, hopeless): (Vec<_>, Vec<_>) =
                deferred.into_iter().partition(|(_, failure)| failure.may_pass());
            self.deferred = hopeless;
            let mut work: Vec<_> = retried.into_iter().map(|(work, _)| work).collect();
            work::sort(self.session, &mut work);
            for chunk in work.chunks(rows_max) {
                let mut transaction = self.begin(memory).await?;
                let failures = self.attempt(&mut transaction, memory, chunk).await?;
                self.deferred.extend(failures);
                self.finish(transaction, memory).await?;
            }
        }
        let mut transaction = self.begin(memory).await?;
        self.keep_deferred(&mut transaction, memory).await?;
        self.end(transaction, memory).await
    }

    async fn begin(&mut self, memory: &mut Memory) -> Result<Transaction, RepositoryError> {
        self.wrote = false;
        let begin = (ACTION, Durability::Normal);
        let first = |native: &Native<'_>, _: &mut Memory| {
            // Ends with the transaction. Rows come in any order, and a failure at once would name the wrong one.
            Ok(native.execute("PRAGMA defer_foreign_keys = ON")?)
        };
        let begun = self.session.begin_with(self.writer, memory, begin, first);
        let (transaction, ()) = begun.await?;
        Ok(transaction)
    }

    /// Tries to apply `work`; what failed, and why.
    async fn attempt(
        &mut self,
        transaction: &mut Transaction,
        memory: &mut Memory,
        work: &[Work<'a>],
    ) -> Result<Vec<(Work<'a>, Failure)>, RepositoryError> {
        let pass = Pass::run(self.session, (transaction, memory), work).await?;
        self.wrote |= pass.wrote;
        self.applied.unchanged += pass.unchanged;
        self.applied.left_scope += pass.left_scope;
        self.applied.parked.extend(pass.parked);
        self.applied.quarantined.extend(pass.quarantined);
        for &at in &pass.changed {
            memory.touch(work[at].model, &work[at].item.id);
            self.applied.changed.push(work[at].row());
        }
        if !pass.conflicts.is_empty() {
            on_native(transaction, ACTION, |native| {
                let named = pass
                    .conflicts
                    .iter()
                    .map(|(model, conflict)| (&self.session.models()[*model], conflict));
                quarantine::record_conflicts(native, named)
            })
            .await?;
            let conflicts = pass.conflicts.into_iter().map(|(_, conflict)| conflict);
            self.applied.conflicts.extend(conflicts);
        }
        Ok(pass
            .failures
            .into_iter()
            .map(|(at, failure)| (work[at], failure))
            .collect())
    }

    /// Tries what failed again, now that everything else is in, as long as that gets anything in; and keeps the rest.
    async fn last_attempts(
        &mut self,
        transaction: &mut Transaction,
        memory: &mut Memory,
    ) -> Result<(), RepositoryError> {
        let mut hopeful = !self.applied.changed.is_empty() && !self.deferred.is_empty();
        while hopeful {
            let deferred = std::mem::take(&mut self.deferred);
            let (retried, hopeless): (Vec<_>, Vec<_>) =
                deferred.into_iter().partition(|(_, failure)| failure.may_pass());
            self.deferred = hopeless;
            let mut work: Vec<_> = retried.into_iter().map(|(work, _)| work).collect();
            work::sort(self.session, &mut work);
            let failures = self.attempt(transaction, memory, &work).await?;
            hopeful = !failures.is_empty() && failures.len() < work.len();
            self.deferred.extend(failures);
        }
        self.keep_deferred(transaction, memory).await
    }

    async fn keep_deferred(
        &mut self,
        transaction: &mut Transaction,
        memory: &mut Memory,
    ) -> Result<(), RepositoryError> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let mut failed = std::mem::take(&mut self.deferred).into_iter();
        on_native(transaction, ACTION, |native| {
            failed.try_for_each(|(work, failure)| self.keep(native, memory, (work, failure)))
        })
        .await
    }

    /// Parks or quarantines what does not go in.
    fn keep(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        (work, failure): (Work<'a>, Failure),
    ) -> Result<(), Fault> {
        let sql = &self.session.models()[work.model];
        let troubles = &mut memory.models[work.model].troubles;
        let id = &work.item.id;
        let reason = match failure {
            Failure::Waits(reason) => {
                self.wrote |= troubles.park(native, sql, (id, &reason))?;
                self.applied.parked.push(RowRef {
                    model: sql.model,
                    id: id.clone(),
                });
                return Ok(());
            }
            Failure::Constraint(reason) | Failure::Unreadable(reason) => reason,
        };
        let raw = work.raw();
        let record = Record {
            name: &quarantine::row_name(id),
            way: Way::Inbound,
            reason: &reason,
            raw: &raw,
            refused: false,
        };
        self.wrote |= troubles.quarantine(native, sql, &record)?;
        self.applied.quarantined.push(Quarantined {
            model: sql.model,
            id: Some(id.clone()),
            way: Way::Inbound,
            reason,
        });
        Ok(())
    }

    /// Ends the last transaction: the marks go with it.
    async fn end(
        &mut self,
        mut transaction: Transaction,
        memory: &mut Memory,
    ) -> Result<(), RepositoryError> {
        self.forget_vanished(memory);
        self.wrote |= on_native(&mut transaction, ACTION, |native| {
            let models = self.session.models();
            let marked = memory.persisted.set_marks(native, models, self.batch.marks)?;
            // On the same trip; what is left goes with the commit.
            memory.flush_known(native, models, FLUSH_ROWS)?;
            Ok(marked)
        })
        .await?;
        self.finish(transaction, memory).await
    }

    /// A complete reconcile has met every document in scope. Rows that vanished unseen and met none have none: they are forgotten.
    fn forget_vanished(&self, memory: &mut Memory) {
        for mark in self.batch.marks {
            let Mark::Reconciled(collection, Some(_)) = mark else {
                continue;
            };
            let Ok(model) = self.session.position_of(collection) else {
                continue;
            };
            for id in std::mem::take(&mut memory.models[model].vanished) {
                memory.write_known(KnownWrite {
                    model,
                    id,
                    hash: None,
                });
            }
        }
    }

    async fn finish(&mut self, transaction: Transaction, memory: &mut Memory) -> Result<(), RepositoryError> {
        if !self.wrote && memory.known_mark() == 0 {
            return memory.end_unchanged(transaction).await;
        }
        self.session.commit(transaction, memory, ACTION).await?;
        self.applied.transactions += 1;
        Ok(())
    }
}
