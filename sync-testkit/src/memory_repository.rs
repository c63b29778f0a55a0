//! A repository whose tables are in memory: [`MemoryRepository`]. For tests of the coordinator, for simulations, and for users' tests of
//! their own models.
//!
//! It decides nothing itself: what a change becomes is decided by `ditto_sync_core::merge`, as in every repository. Not here: its constraints
//! (`constraints`), the app's writes (`app`), the transactions of the contract (`outgoing`, `incoming`, `recovery`).

mod app;
mod audit;
mod constraints;
mod durable;
mod incoming;
mod inspection;
mod live;
mod mass_changes;
mod noting;
mod outgoing;
mod recovery;
mod release;
mod restore;
mod seeding;
mod transaction;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ditto_sync_core::{
    audit::{AuditedRow, RowDigest},
    column::Image,
    descriptor::ModelDescriptor,
    explain::{ConflictReport, RowTrace},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::{Intent, ReplicaId},
    live::{ReadRow, Touched},
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    repository::{
        Acknowledged, Applied, Draft, DraftRequest, InboundBatch, InboundItem, Mark, PendingCount,
        Quarantined, Recovered, Recovery, Repository, RepositoryError, Restored, RowRef, SeedState,
        SyncState, Weighed,
    },
    rules::{Rule, off},
    scope::Scopes,
};
use tokio::sync::Notify;

pub use self::{
    app::{App, AppError},
    constraints::{ForeignKey, OnDelete, Violation},
    inspection::OutboxEntry,
    transaction::Fault,
};
use self::{constraints::Check, durable::Durable, incoming::Arrival, transaction::Faults};

/// A repository in memory.
///
/// A clone is another handle on the same open database. What a database file would hold survives [`restart`](Self::restart); all else is lost
/// by it. Replica ids come from a seeded source, so that a run with the same calls has the same outcome.
#[derive(Debug, Clone)]
pub struct MemoryRepository {
    shared: Arc<Shared>,
    /// Which opening of the database this handle belongs to.
    connection: u64,
}

/// What a captured change was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// The row was inserted.
    Insert,
    /// The row was updated, or replaced.
    Update,
    /// The row was deleted.
    Delete,
}

/// An old copy of the database file.
#[derive(Debug, Clone)]
pub struct Snapshot(Durable);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    notify: Notify,
    /// Rows may have changed that someone listens to.
    touched: Notify,
}

/// All but `durable` is lost when the process dies.
#[derive(Debug)]
struct State {
    durable: Durable,
    replicas: fastrand::Rng,
    connections: u64,
    /// Older handles belong to a process that is dead.
    first_live: u64,
    /// Which connection holds the lock of the coordinator.
    owner: Option<u64>,
    models: Vec<&'static ModelDescriptor>,
    writes: u64,
    faults: Faults,
    /// Counts commits that captured something, and how many of them [`MemoryRepository::changed`] has told of.
    changes: u64,
    changes_told: u64,
}

impl MemoryRepository {
    /// An empty database. `seed` is where its replica ids come from: two databases of one test need two seeds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_durable(Durable::default(), seed)
    }

    fn with_durable(durable: Durable, seed: u64) -> Self {
        let state = State {
            durable,
            replicas: fastrand::Rng::with_seed(seed),
            connections: 0,
            first_live: 0,
            owner: None,
            models: Vec::new(),
            writes: 0,
            faults: Faults::default(),
            changes: 0,
            changes_told: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                notify: Notify::new(),
                touched: Notify::new(),
            }),
            connection: 0,
        }
    }

    /// Declares a foreign key. It is enforced at once, for the app and for documents.
    #[must_use]
    pub fn with_foreign_key(self, key: ForeignKey) -> Self {
        {
            let mut state = self.lock();
            state.durable.table(key.parent);
            state.durable.table(key.child);
            state.durable.constraints.foreign_keys.push(key);
        }
        self
    }

    /// Declares columns whose values together are unique. Rows with a NULL among them are not compared.
    #[must_use]
    pub fn with_unique(self, model: &'static ModelDescriptor, columns: &'static [&'static str]) -> Self {
        self.lock().durable.constraints.unique.push((model, columns));
        self
    }

    /// Declares a condition that every row fulfils, as CHECK does. What is in the table is not looked at.
    #[must_use]
    pub fn with_check(
        self,
        model: &'static ModelDescriptor,
        name: &'static str,
        holds: impl Fn(&Image) -> bool + Send + Sync + 'static,
    ) -> Self {
        let holds = Arc::new(holds);
        self.lock()
            .durable
            .constraints
            .checks
            .push(Check { model, name, holds });
        self
    }

    /// The app's side.
    #[must_use]
    pub fn app(&self) -> App {
        App {
            repository: self.clone(),
        }
    }

    /// Opens the same database once more, as another process would.
    #[must_use]
    pub fn connect(&self) -> Self {
        let mut state = self.lock();
        state.connections += 1;
        Self {
            shared: Arc::clone(&self.shared),
            connection: state.connections,
        }
    }

    /// The process dies and starts again: every handle so far is dead for a coordinator, and its lock is gone. What was committed is there.
    #[must_use]
    pub fn restart(&self) -> Self {
        let reopened = self.connect();
        let mut state = self.lock();
        state.first_live = reopened.connection;
        state.owner = None;
        state.models.clear();
        state.durable.feed = live::Feed::default();
        state.changes_told = state.changes;
        drop(state);
        reopened
    }

    /// A copy of the database file as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().durable.clone())
    }

    /// Puts an old file in place of the database while the app is down, and starts again.
    #[must_use]
    pub fn restore(&self, snapshot: &Snapshot) -> Self {
        self.lock().durable = snapshot.0.clone();
        self.restart()
    }

    /// A device set up with a copy of this database file. `seed` is where its own replica ids come from.
    #[must_use]
    pub fn clone_database(&self, seed: u64) -> Self {
        let mut durable = self.lock().durable.clone();
        durable.feed = live::Feed::default();
        Self::with_durable(durable, seed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test's own assertion leaves no transaction half done: none runs any code of a test.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the coordinator that a local change was committed.
    fn wake(&self) {
        self.lock().changes += 1;
        self.shared.notify.notify_waiters();
        self.shared.touched.notify_waiters();
    }
}

impl Repository for MemoryRepository {
    async fn prepare(&self, models: &[&'static ModelDescriptor]) -> Result<SyncState, RepositoryError> {
        self.open()?;
        let prepared = self
            .transaction("prepare the tables", |state| state.prepare(models))
            .await;
        if prepared.is_err() {
            self.lock().owner = None;
        }
        prepared
    }

    async fn state(&self) -> Result<SyncState, RepositoryError> {
        self.transaction("read how far it has come", |state| (state.sync_state(), false))
            .await
    }

    async fn changed(&self) {
        loop {
            // Made before the look at the counter, so that a change between the two is not missed.
            let notified = self.shared.notify.notified();
            {
                let mut state = self.lock();
                if state.changes_told != state.changes {
                    state.changes_told = state.changes;
                    return;
                }
            }
            notified.await;
        }
    }

    async fn draft(&self, request: DraftRequest<'_>) -> Result<Draft, RepositoryError> {
        self.transaction("draft an intent", |state| {
            let replica = state.replica();
            state.durable.draft(&state.models, replica, request)
        })
        .await
    }

    async fn acknowledge(&self, intent: &Intent, scopes: &Scopes) -> Result<Acknowledged, RepositoryError> {
        self.transaction("acknowledge an intent", |state| {
            state.durable.acknowledge(intent, scopes)
        })
        .await
    }

    async fn discard(&self, intent: &Intent, rejected: &[Quarantined]) -> Result<(), RepositoryError> {
        self.transaction("discard an intent", |state| {
            ((), state.durable.discard(intent, rejected))
        })
        .await
    }

    async fn apply(&self, batch: InboundBatch<'_>) -> Result<Applied, RepositoryError> {
        let (mut arrival, captured_before) = {
            let state = self.lock();
            assert!(
                state.durable.in_flight.is_none() || off(Rule::Settle) || off(Rule::Serial),
                "no document is applied while an intent is in flight"
            );
            (Arrival::new(&state.durable, batch), state.durable.last_seq)
        };
        let mut last = arrival.is_empty();
        while !last {
            last = self
                .transaction("apply documents", |state| arrival.advance(&mut state.durable))
                .await?;
        }
        let outcome = arrival.into_outcome();
        if outcome.released || self.lock().durable.last_seq != captured_before {
            self.wake();
        }
        Ok(outcome.applied)
    }

    async fn agrees(
        &self,
        model: &'static ModelDescriptor,
        documents: &[(&DocumentId, ContentHash)],
    ) -> Result<Vec<bool>, RepositoryError> {
        self.transaction("look what is agreed on", |state| {
            let table = state.durable.table(model);
            let agrees = |(id, hash): &(&DocumentId, ContentHash)| {
                let troubled = table.parked.contains_key(id)
                    || table.unreadable.contains_key(id)
                    || table.ignored.contains_key(id)
                    || table.changed_unseen(id);
                !troubled && table.known.get(id) == Some(hash)
            };
            (documents.iter().map(agrees).collect(), false)
        })
        .await
    }

    async fn unseen(
        &self,
        model: &'static ModelDescriptor,
        seen: &IdList,
    ) -> Result<IdList, RepositoryError> {
        self.transaction("list the rows", |state| {
            let table = state.durable.table(model);
            let left_out = table
                .parked
                .keys()
                .chain(table.unreadable.keys())
                .chain(table.ignored.keys());
            let mut ids: Vec<_> = table
                .rows
                .keys()
                .chain(table.known.keys())
                .chain(left_out)
                .cloned()
                .collect();
            ids.sort();
            ids.dedup();
            let seen: HashSet<_> = seen.iter().collect();
            ids.retain(|id| !seen.contains(id));
            (ids.into_iter().collect(), false)
        })
        .await
    }

    async fn parked(&self) -> Result<Vec<RowRef>, RepositoryError> {
        self.transaction("list the parked documents", |state| {
            let tables = state.prepared_tables();
            let parked = tables.flat_map(|table| {
                let row = |id: &DocumentId| RowRef {
                    model: table.model,
                    id: id.clone(),
                };
                table.parked.keys().chain(table.unseen_changes()).map(row)
            });
            (parked.collect(), false)
        })
        .await
    }

    async fn note_changed(&self, row: &RowRef) -> Result<bool, RepositoryError> {
        self.transaction("note a change that no trigger saw", |state| {
            let noted = state.durable.note_changed(row);
            (noted, noted)
        })
        .await
    }

    async fn seeding(&self) -> Result<Vec<SeedState>, RepositoryError> {
        self.transaction("look how far seeding has come", |state| {
            (state.durable.seed_states(&state.models), false)
        })
        .await
    }

    async fn reset_seeding(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        self.transaction("have tables be seeded again", |state| {
            ((), state.durable.reset_seeding(models))
        })
        .await
    }

    async fn forget(&self, rows: &[RowRef]) -> Result<(), RepositoryError> {
        self.transaction("forget what rows agreed on", |state| {
            ((), state.durable.forget(rows))
        })
        .await
    }

    async fn pending(&self) -> Result<Vec<PendingCount>, RepositoryError> {
        self.transaction("count what is pending", |state| {
            let counts = state.prepared_tables().map(|table| PendingCount {
                collection: table.model.collection(),
                entries: table
                    .outbox
                    .iter()
                    .filter(|(id, _)| !table.is_local(id))
                    .map(|(_, entries)| entries.len() as u64)
                    .sum(),
                local: table.rows.keys().filter(|id| table.is_local(id)).count() as u64,
                parked: table.parked.len() as u64,
                quarantined: (table.held_back.len() + table.unreadable.len()) as u64,
            });
            (counts.collect(), false)
        })
        .await
    }

    async fn quarantine(&self) -> Result<Vec<QuarantineRecord>, RepositoryError> {
        self.transaction("list the quarantine", |state| {
            (state.durable.quarantine_records(&state.models), false)
        })
        .await
    }

    async fn release(&self, row: &RowRef, release: &Release) -> Result<Released, RepositoryError> {
        let (before, released) = self
            .transaction("release a record from quarantine", |state| {
                let before = state.durable.last_seq;
                let backup = state.durable.clone();
                let replica = state.replica();
                let released = state.durable.carry_out(row, release, replica);
                let done = matches!(released, Released::Done { .. });
                if !done {
                    state.durable = backup;
                }
                ((before, released), done)
            })
            .await?;
        if self.lock().durable.last_seq != before {
            self.wake();
        }
        Ok(released)
    }

    async fn trace(&self, row: &RowRef) -> Result<RowTrace, RepositoryError> {
        self.transaction("look at a row", |state| (state.durable.trace(row), false))
            .await
    }

    async fn conflicts(&self) -> Result<Vec<ConflictReport>, RepositoryError> {
        self.transaction("list the conflicts", |state| (state.durable.reports(), false))
            .await
    }

    async fn mark(&self, marks: &[Mark]) -> Result<(), RepositoryError> {
        self.transaction("set marks", |state| ((), state.durable.set_marks(marks)))
            .await
    }

    async fn recover(&self, recovery: &Recovery) -> Result<Recovered, RepositoryError> {
        self.transaction("recover", |state| state.recover(recovery))
            .await?
    }

    async fn listen(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        self.set_listened(models);
        Ok(())
    }

    async fn heard(&self) -> Result<Vec<Touched>, RepositoryError> {
        self.wait_for_touched().await
    }

    async fn read_rows(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<ReadRow>>, RepositoryError> {
        self.rows_of(model, ids)
    }

    async fn select_rows(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> Result<Vec<(DocumentId, ReadRow)>, RepositoryError> {
        self.rows_matching(model, query)
    }

    async fn weigh(
        &self,
        model: &'static ModelDescriptor,
        items: &[&InboundItem],
    ) -> Result<Weighed, RepositoryError> {
        self.transaction("count the rows that documents would change", |state| {
            (state.durable.weigh(model, items), false)
        })
        .await
    }

    async fn reject(&self, items: &[InboundItem], marks: &[Mark]) -> Result<Vec<RowRef>, RepositoryError> {
        let kept = self
            .transaction("take back changes from the store", |state| {
                let kept = state.durable.reject(items);
                let wrote = state.durable.set_marks(marks) || !kept.is_empty();
                (kept, wrote)
            })
            .await?;
        if !kept.is_empty() {
            self.wake();
        }
        Ok(kept)
    }

    async fn digest(
        &self,
        model: &'static ModelDescriptor,
        buckets: usize,
    ) -> Result<RowDigest, RepositoryError> {
        self.transaction("sum up the rows", |state| {
            (state.durable.digest(model, buckets), false)
        })
        .await
    }

    async fn audited(
        &self,
        model: &'static ModelDescriptor,
        wanted: (&HashSet<usize>, usize),
    ) -> Result<Vec<AuditedRow>, RepositoryError> {
        self.transaction("list the rows of an audit", |state| {
            (state.durable.audited(model, wanted), false)
        })
        .await
    }

    async fn restore(&self, items: &[InboundItem], dry_run: bool) -> Result<Vec<Restored>, RepositoryError> {
        self.transaction("restore rows", |state| {
            let backup = dry_run.then(|| state.durable.clone());
            let outcomes = state.durable.restore(items);
            let wrote = backup.is_none() && outcomes.contains(&Restored::Done);
            if let Some(backup) = backup {
                state.durable = backup;
            }
            (outcomes, wrote)
        })
        .await
    }

    async fn close(&self) {
        let mut state = self.lock();
        if state.owner == Some(self.connection) {
            state.owner = None;
        }
        self.shared.touched.notify_waiters();
    }
}

impl State {
    fn prepare(&mut self, models: &[&'static ModelDescriptor]) -> (SyncState, bool) {
        let mut wrote = self.durable.replica.is_none();
        for &model in models {
            let table = self.durable.table(model);
            wrote |= table.captured != model.direction().sends();
            table.captured = model.direction().sends();
            // Not a write: what was kept is that they were refused, and this process may be another one.
            table
                .held_back
                .values_mut()
                .for_each(|held| held.again = durable::Again::Restarted);
        }
        self.models = models.to_vec();
        (self.sync_state(), wrote)
    }

    fn recover(&mut self, recovery: &Recovery) -> (Result<Recovered, RepositoryError>, bool) {
        if let Recovery::StoreBehind { last_applied } = recovery
            && !recovery::is_within_reach(&self.durable, *last_applied)
        {
            let reason = format!("batch {last_applied:?} is too old to be gone back to");
            return (Err(RepositoryError::Unsupported(reason)), false);
        }
        let fresh = self.fresh_replica();
        let conflicts = self.durable.recover(recovery, fresh);
        let state = self.sync_state();
        (Ok(Recovered { state, conflicts }), true)
    }

    fn sync_state(&mut self) -> SyncState {
        let replica = self.replica();
        self.durable.sync_state(&self.models, replica)
    }

    fn replica(&mut self) -> ReplicaId {
        match self.durable.replica {
            Some(replica) => replica,
            None => {
                let fresh = self.fresh_replica();
                self.durable.replica = Some(fresh);
                fresh
            }
        }
    }

    fn fresh_replica(&mut self) -> ReplicaId {
        ReplicaId::from_bytes(self.replicas.u128(..).to_be_bytes())
    }

    fn prepared_tables(&self) -> impl Iterator<Item = &durable::Table> {
        self.models
            .iter()
            .filter_map(|model| self.durable.tables.get(model.collection()))
    }
}
