//! What one coordinator's work on a prepared database shares: [`Session`]; what it remembers between transactions: [`Memory`]; and the durable
//! state of the coordinator as a whole: loading it, and [`mark`].
//!
//! Not here: what a transaction does (`draft`, `acknowledge`, `apply`, `recover`), and preparing the tables.

mod memory;
mod missed;
mod model_sql;
mod persisted;
mod rehash;

pub(crate) use memory::{Memory, ModelMemory, Seeding};
pub(crate) use model_sql::ModelSql;
pub(crate) use persisted::Persisted;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    repository::{Finding, Mark, RepositoryError, SyncState},
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    codec::CodecError,
    connection::{Durability, Reader, Transaction, Writer},
    layout::ModelLayout,
    native::{Native, NativeError},
    schema::{identifier::same_name, trigger_text},
};

/// Rows handled in one go before the task yields: about half a millisecond.
pub(crate) const SLICE_ROWS: usize = 256;
/// Known-set changes written in one go; they are much cheaper than rows.
pub(crate) const FLUSH_ROWS: usize = 16_384;

/// A prepared database, until the next prepare.
#[derive(Debug)]
pub(crate) struct Session {
    models: Vec<ModelSql>,
    /// Positions of the models, parents before their children.
    order: Vec<usize>,
    /// The place of each model in `order`.
    rank: Vec<usize>,
    /// What the app's schema should change.
    warnings: Vec<Finding>,
    /// One operation at a time: whoever holds it may write.
    memory: Mutex<Memory>,
}

/// Why a step inside a transaction failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Native(#[from] NativeError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("the operating system has no randomness to give")]
    Random(#[from] RandomError),
}

/// No replica id could be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RandomError(pub(crate) String);

impl Fault {
    /// What it means for the caller. `action` completes the sentence "could not ..".
    fn into_error(self, transaction: &Transaction, action: &'static str) -> RepositoryError {
        match self {
            Self::Native(error) => transaction.context().error(error),
            Self::Codec(error @ CodecError::UnknownCollection(_)) => {
                RepositoryError::Unsupported(error.to_string())
            }
            other => RepositoryError::Failed {
                action,
                source: other.into(),
            },
        }
    }
}

/// Runs `step` on the connection, away from its worker thread. Short: nobody else runs on this task's thread meanwhile.
pub(crate) async fn on_native<T>(
    transaction: &mut Transaction,
    action: &'static str,
    step: impl FnOnce(&Native<'_>) -> Result<T, Fault>,
) -> Result<T, RepositoryError> {
    let outcome = {
        let native = transaction.native().await?;
        step(&native)
    };
    outcome.map_err(|fault| fault.into_error(transaction, action))
}

impl Session {
    /// Loads the state of the coordinator, in the transaction that has prepared the tables; makes what a new database has not. Writes nothing
    /// to a database that is as it was.
    pub(crate) async fn open(
        transaction: &mut Transaction,
        layouts: &[ModelLayout],
    ) -> Result<(Self, SyncState), RepositoryError> {
        let action = "load the state of the synchronisation";
        let models: Vec<_> = layouts.iter().map(ModelSql::new).collect();
        let order = parents_first(layouts);
        let mut rank = vec![0; order.len()];
        for (place, &model) in order.iter().enumerate() {
            rank[model] = place;
        }
        let (persisted, state) = on_native(transaction, action, |native| {
            persisted::settle_changed_layouts(native, &models, layouts)?;
            let persisted = Persisted::load(native, &models)?;
            let state = persisted.sync_state(native, &models, &order)?;
            Ok((persisted, state))
        })
        .await?;
        let memory = Mutex::new(Memory::new(models.len(), persisted));
        let session = Self {
            models,
            order,
            rank,
            warnings: trigger_text::unguarded(layouts),
            memory,
        };
        Ok((session, state))
    }

    pub(crate) fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    pub(crate) fn models(&self) -> &[ModelSql] {
        &self.models
    }

    /// Positions of the models, parents before their children.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The place of a model in [`order`](Self::order).
    pub(crate) fn rank(&self, model: usize) -> usize {
        self.rank[model]
    }

    /// The position of a model.
    ///
    /// # Errors
    /// When it was not given to `prepare`.
    pub(crate) fn position(&self, model: &ModelDescriptor) -> Result<usize, RepositoryError> {
        self.position_of(model.collection())
    }

    /// The position of the model with this collection.
    pub(crate) fn position_of(&self, collection: &str) -> Result<usize, RepositoryError> {
        let found = self
            .models
            .iter()
            .position(|sql| sql.model.collection() == collection);
        found.ok_or_else(|| {
            RepositoryError::Unsupported(format!("the collection `{collection}` was not prepared"))
        })
    }

    pub(crate) async fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().await
    }

    /// Begins a write transaction, with a memory that tells the truth about the database as of now.
    pub(crate) async fn begin(
        &self,
        writer: &Writer,
        memory: &mut Memory,
        what: (&'static str, Durability),
    ) -> Result<Transaction, RepositoryError> {
        let (transaction, ()) = self.begin_with(writer, memory, what, |_, _| Ok(())).await?;
        Ok(transaction)
    }

    /// The same with a first step in it, which takes no trip of its own to the thread of the connection: for a small transaction trips are most of the time, and
    /// somebody waits for a row.
    pub(crate) async fn begin_with<T>(
        &self,
        writer: &Writer,
        memory: &mut Memory,
        (action, durability): (&'static str, Durability),
        first: impl FnOnce(&Native<'_>, &mut Memory) -> Result<T, Fault>,
    ) -> Result<(Transaction, T), RepositoryError> {
        let mut transaction = writer.begin(action, durability).await?;
        memory.enter();
        let outcome = on_native(&mut transaction, action, |native| {
            memory.catch_up(native, &self.models)?;
            first(native, memory)
        });
        let outcome = outcome.await?;
        Ok((transaction, outcome))
    }

    /// Commits what a transaction did, its known-set changes with it.
    pub(crate) async fn commit(
        &self,
        mut transaction: Transaction,
        memory: &mut Memory,
        action: &'static str,
    ) -> Result<(), RepositoryError> {
        let flush =
            |native: &Native<'_>, memory: &mut Memory| memory.flush_known(native, &self.models, FLUSH_ROWS);
        while memory.has_known_to_flush()
            && on_native(&mut transaction, action, |native| flush(native, memory)).await?
        {
            tokio::task::yield_now().await;
        }
        memory.commit(transaction).await
    }

    /// Reads the known sets of `models` that are not in memory yet. Only the coordinator writes them, so any moment will do.
    pub(crate) async fn load_known(
        &self,
        reader: &Reader,
        memory: &mut Memory,
        models: &[usize],
    ) -> Result<(), RepositoryError> {
        let action = "load the set of known documents";
        memory.forget_doubtful_known();
        for &model in models {
            if memory.models[model].known.is_some() {
                continue;
            }
            let mut known = crate::known::Known::default();
            let mut transaction = reader.begin(action).await?;
            let mut after = None;
            loop {
                let sql = &self.models[model];
                let slice = |native: &Native<'_>| known.load_slice(native, &sql.known, after);
                after = on_native(&mut transaction, action, slice).await?;
                if after.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            transaction.rollback().await?;
            memory.models[model].known = Some(known);
        }
        Ok(())
    }
}

/// The state as it is durable now.
pub(crate) async fn read(session: &Session, reader: &Reader) -> Result<SyncState, RepositoryError> {
    let action = "read how far the synchronisation has come";
    // Whoever is in the middle of something ends it first.
    let _memory = session.memory().await;
    let mut transaction = reader.begin(action).await?;
    let state = on_native(&mut transaction, action, |native| {
        let persisted = Persisted::load(native, &session.models)?;
        persisted.sync_state(native, &session.models, &session.order)
    })
    .await?;
    transaction.rollback().await?;
    Ok(state)
}

/// Makes marks durable that belong to no document. Writes nothing when they are set already.
pub(crate) async fn mark(session: &Session, writer: &Writer, marks: &[Mark]) -> Result<(), RepositoryError> {
    let action = "record how far the synchronisation has come";
    let mut memory = session.memory().await;
    if !memory.is_doubtful()
        && marks
            .iter()
            .all(|mark| memory.persisted.has(mark, &session.models))
    {
        return Ok(());
    }
    let mut transaction = session
        .begin(writer, &mut memory, (action, Durability::Normal))
        .await?;
    on_native(&mut transaction, action, |native| {
        memory
            .persisted
            .set_marks(native, &session.models, marks)
            .map(drop)
    })
    .await?;
    session.commit(transaction, &mut memory, action).await
}

/// Parents before their children, as far as foreign keys say; cycles are entered anywhere.
fn parents_first(layouts: &[ModelLayout]) -> Vec<usize> {
    let mut order = Vec::with_capacity(layouts.len());
    let mut visited = vec![false; layouts.len()];
    for start in 0..layouts.len() {
        visit(layouts, start, &mut visited, &mut order);
    }
    order
}

fn visit(layouts: &[ModelLayout], model: usize, visited: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut visited[model], true) {
        return;
    }
    for key in &layouts[model].shape.foreign_keys {
        let parent = layouts
            .iter()
            .position(|other| same_name(&other.shape.name, &key.parent));
        if let Some(parent) = parent {
            visit(layouts, parent, visited, order);
        }
    }
    order.push(model);
}
