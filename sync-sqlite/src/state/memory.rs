//! What is remembered between transactions: [`Memory`].
//!
//! It must never disagree with the database. What the outbox copy has read stays true whatever becomes of our transaction, but what the transaction
//! itself did is only true after its commit. So it is in doubt from the begin to the commit, and read again if that was not reached. Known sets change
//! only at the commit, so only a commit of unknown end puts them in doubt.

use std::collections::{HashMap, HashSet};

use ditto_sync_core::{
    column::ColumnValue, hash::ContentHash, id::DocumentId, live::Origin, repository::RepositoryError,
};

use super::{Fault, ModelSql, Persisted};
use crate::{
    connection::Transaction,
    known::{self, Known, KnownWrite, LogStep},
    native::Native,
    outbox::Outbox,
    quarantine::Troubles,
};

/// What the coordinator's transactions remember.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) models: Vec<ModelMemory>,
    pub(crate) persisted: Persisted,
    /// Known-set changes of the transaction under way.
    known_writes: Vec<KnownWrite>,
    /// How many of them are in the database already.
    known_written: usize,
    /// What this transaction does to their logs otherwise, by position of the model.
    log_steps: Vec<(usize, LogStep)>,
    doubtful: bool,
    known_doubtful: bool,
    /// No draft has looked at the rows in quarantine since the start.
    fresh: bool,
    /// The schema that the tables were last checked against.
    schema: Option<i64>,
    /// Some table of the database refers to another one.
    foreign_keys: bool,
    /// Reading has changed outbox entries: even a transaction that found nothing to do has to be committed.
    settled_entries: bool,
}

/// What is remembered of one model.
#[derive(Debug, Default)]
pub(crate) struct ModelMemory {
    pub(crate) outbox: Outbox,
    /// `None` until it is needed.
    pub(crate) known: Option<Known>,
    pub(crate) troubles: Troubles,
    pub(crate) seeding: Seeding,
    /// Why the table cannot be used: it was dropped, or lost a column, while the coordinator ran.
    pub(crate) unusable: Option<String>,
    /// Known rows that were gone at the last reconcile though no trigger saw a delete.
    pub(crate) vanished: HashSet<u128>,
    /// How often in a row a trigger of the app has answered what was but an answer to its last stamp.
    pub(crate) answers: HashMap<u128, u32>,
}

/// How far the search for rows to seed has come.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seeding {
    /// The key behind which to go on; `None`: from the start.
    pub(crate) after: Option<Vec<ColumnValue>>,
    /// This pass over the table found something.
    pub(crate) found: bool,
    /// Rows it passed over because they belong nowhere.
    pub(crate) local: HashSet<u128>,
    /// It passed over rows whose documents do not fit in.
    pub(crate) waiting: bool,
    /// A pass has found nothing but those; the next start looks again, and so does whatever clears the way for one.
    pub(crate) ended: bool,
}

impl ModelMemory {
    /// Whether the document of this row has to be looked at even if it is the known one.
    pub(crate) fn asks_for_look(&self, id: u128) -> bool {
        self.troubles.concern_inbound(id) || self.outbox.is_missed(id) || self.vanished.contains(&id)
    }
}

impl Memory {
    pub(crate) fn new(models: usize, persisted: Persisted) -> Self {
        Self {
            models: std::iter::repeat_with(ModelMemory::default)
                .take(models)
                .collect(),
            persisted,
            known_writes: Vec::new(),
            known_written: 0,
            log_steps: Vec::new(),
            // Outboxes and troubles have not been read yet.
            doubtful: true,
            known_doubtful: false,
            fresh: true,
            schema: None,
            foreign_keys: true,
            settled_entries: false,
        }
    }

    /// The rows of a model that are not sent because they belong nowhere: how many, and how many outbox entries they have.
    pub(crate) fn local(&self, model: usize) -> (u64, u64) {
        let of_model = &self.models[model];
        let unmet = of_model.seeding.local.iter().filter(|id| {
            let known = of_model.known.as_ref().is_some_and(|known| known.contains(**id));
            !known && of_model.outbox.get(**id).is_none()
        });
        let mut counts = (unmet.count() as u64, 0);
        for (_, entries) in of_model.outbox.local() {
            counts.0 += 1;
            counts.1 += entries as u64;
        }
        counts
    }

    /// Whether the last transaction did not end well, so that only the next one will know the truth.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// The database was changed past the copies here: everything is read again when it is needed.
    pub(crate) fn doubt_everything(&mut self) {
        self.doubtful = true;
        self.known_doubtful = true;
    }

    /// A draft has looked at everything: what is in quarantine now stays there until it changes.
    pub(crate) fn drafted(&mut self) {
        self.fresh = false;
    }

    /// A write transaction has begun.
    pub(super) fn enter(&mut self) {
        self.forget_doubtful_known();
        self.known_writes.clear();
        self.known_written = 0;
        self.log_steps.clear();
    }

    pub(super) fn forget_doubtful_known(&mut self) {
        if std::mem::take(&mut self.known_doubtful) {
            for model in &mut self.models {
                model.known = None;
            }
        }
    }

    /// Reads what is new, or everything when the last transaction did not end well.
    pub(super) fn catch_up(&mut self, native: &Native<'_>, models: &[ModelSql]) -> Result<(), Fault> {
        if self.doubtful {
            self.persisted = Persisted::load(native, models)?;
            for (memory, sql) in self.models.iter_mut().zip(models) {
                memory.outbox.reset();
                memory.troubles = Troubles::load(native, sql.number)?;
                memory.seeding = Seeding::default();
                if self.fresh {
                    memory.troubles.try_held_again();
                }
            }
        }
        self.doubtful = true;
        self.settled_entries = false;
        self.check_tables(native, models)?;
        self.read_outboxes(native, models)
    }

    /// Looks whether the tables are still there, if the schema has changed. One that is gone must not stop the others.
    fn check_tables(&mut self, native: &Native<'_>, models: &[ModelSql]) -> Result<(), Fault> {
        let mut version = native.prepare("PRAGMA main.schema_version")?;
        version.step()?;
        let schema = version.column_i64(0);
        drop(version);
        if self.schema == Some(schema) {
            return Ok(());
        }
        // A statement is prepared against the schema that the connection has in memory; running one is what brings that up to date.
        let mut refresh = native.prepare("SELECT count(*) FROM main.sqlite_schema")?;
        refresh.step()?;
        drop(refresh);
        let mut refers = native.prepare(
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%references%')",
        )?;
        refers.step()?;
        self.foreign_keys = refers.column_i64(0) != 0;
        drop(refers);
        for (memory, sql) in self.models.iter_mut().zip(models) {
            memory.unusable = None;
            for statement in [&sql.select_row, &sql.insert_row] {
                match native.prepare(statement) {
                    Ok(_) => {}
                    Err(error) if error.is_about_the_schema() => {
                        let table = sql.model.table();
                        tracing::error!(table, %error, "a table cannot be used any more");
                        memory.unusable = Some(format!("the table cannot be used: {error}"));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        self.schema = Some(schema);
        Ok(())
    }

    /// Whether a row of this database may refer to another one, so that a transaction may end with rows that have no parent.
    pub(crate) fn has_foreign_keys(&self) -> bool {
        self.foreign_keys
    }

    /// Reads the outbox entries that are new.
    pub(crate) fn read_outboxes(&mut self, native: &Native<'_>, models: &[ModelSql]) -> Result<(), Fault> {
        for (memory, sql) in self.models.iter_mut().zip(models) {
            self.settled_entries |= memory.outbox.read(native, sql)?;
        }
        Ok(())
    }

    /// Reads all outboxes and troubles again: a part of the transaction was rolled back.
    pub(crate) fn read_again(&mut self, native: &Native<'_>, models: &[ModelSql]) -> Result<(), Fault> {
        for (memory, sql) in self.models.iter_mut().zip(models) {
            memory.outbox.reset();
            memory.troubles = Troubles::load(native, sql.number)?;
        }
        self.read_outboxes(native, models)
    }

    /// The known set of a model, which the caller has loaded.
    pub(crate) fn known(&self, model: usize) -> &Known {
        self.models[model]
            .known
            .as_ref()
            .expect("known sets are loaded before they are asked")
    }

    /// Whether row and document are certain to have agreed on this content last, and nothing is wrong with either.
    pub(crate) fn agrees(&self, model: usize, id: u128, hash: ContentHash) -> bool {
        let of_model = &self.models[model];
        let certain = !self.doubtful && !self.known_doubtful;
        let known = of_model.known.as_ref().filter(|_| certain);
        known.is_some_and(|known| known.get(id) == Some(hash)) && !of_model.asks_for_look(id)
    }

    /// We are changing this row: who listens is told, once that is committed.
    pub(crate) fn touch(&mut self, model: usize, id: &DocumentId) {
        self.models[model].outbox.feed.touch(id, Origin::Remote);
    }

    /// Changes a known set with this transaction.
    pub(crate) fn write_known(&mut self, write: KnownWrite) {
        self.known_writes.push(write);
    }

    /// How many known-set changes there are so far, to go back to.
    pub(crate) fn known_mark(&self) -> usize {
        self.known_writes.len()
    }

    /// Takes back the known-set changes since `mark`, none of which is in the database yet.
    pub(crate) fn take_back_known(&mut self, mark: usize) {
        assert!(
            mark >= self.known_written,
            "what was written cannot be taken back here"
        );
        self.known_writes.truncate(mark);
    }

    /// Writes the next `rows_max` known-set changes to the database; whether more are left.
    pub(crate) fn flush_known(
        &mut self,
        native: &Native<'_>,
        models: &[ModelSql],
        rows_max: usize,
    ) -> Result<bool, Fault> {
        let pending = &self.known_writes[self.known_written..];
        let slice = &pending[..pending.len().min(rows_max)];
        for writes in slice.chunk_by(|one, other| one.model == other.model) {
            let (model, sql) = (writes[0].model, &models[writes[0].model]);
            let stepped = self.log_steps.iter().any(|(of, _)| *of == model);
            if let Some(known) = self.models[model].known.as_ref().filter(|_| !stepped) {
                let step = known.rewrite_some(native, &sql.known, pending.len())?;
                self.log_steps.push((model, step));
            }
            known::append(native, &sql.known, writes)?;
        }
        self.known_written += slice.len();
        Ok(self.has_known_to_flush())
    }

    /// Whether known-set changes are not in the transaction yet.
    pub(crate) fn has_known_to_flush(&self) -> bool {
        self.known_written < self.known_writes.len()
    }

    /// Commits, and believes in what the transaction did.
    pub(crate) async fn commit(&mut self, transaction: Transaction) -> Result<(), RepositoryError> {
        assert_eq!(
            self.known_written,
            self.known_writes.len(),
            "known sets are written before the commit"
        );
        self.known_doubtful = true;
        transaction.commit().await?;
        for write in self.known_writes.drain(..) {
            if let Some(known) = &mut self.models[write.model].known {
                known.merge(write);
            }
        }
        for (model, step) in self.log_steps.drain(..) {
            if let Some(known) = &mut self.models[model].known {
                known.take_step(step);
            }
        }
        self.known_written = 0;
        self.known_doubtful = false;
        self.doubtful = false;
        Ok(())
    }

    /// Ends a transaction that found nothing to change, without a write.
    pub(crate) async fn end_unchanged(&mut self, transaction: Transaction) -> Result<(), RepositoryError> {
        assert!(self.known_writes.is_empty(), "nothing was changed");
        if self.settled_entries {
            return self.commit(transaction).await;
        }
        transaction.rollback().await?;
        self.doubtful = false;
        Ok(())
    }
}
