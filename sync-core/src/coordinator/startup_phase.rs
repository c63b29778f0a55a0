//! The start of a coordinator: is this the store of last time, what was in flight, and what changed while the app was down.

use super::{SyncError, engine::Engine, observing::Running};
use crate::{
    config::InitialFetch,
    query::Query,
    repository::{Mark, Repository},
    rules::{Rule, off},
    startup::compare,
    status::Phase,
    store::{Cursor, DocumentStore, StoreError},
};

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Compares store and database, and recovers where one of them is not that of last time. May be repeated.
    #[tracing::instrument(skip_all, fields(replica = %self.state.replica))]
    pub(super) async fn begin(&mut self) -> Result<(), SyncError> {
        self.catch_up_with_database().await?;
        let identity = self.store.identity(self.state.replica).await?;
        if let Some(recovery) = compare(&self.state, &identity) {
            tracing::warn!(?recovery, "store and database do not continue where they stopped");
            let recovered = self.repository.recover(&recovery).await?;
            self.state = recovered.state;
            self.reporter.conflicts(&recovered.conflicts);
        }
        if self.state.store.as_ref() != Some(&identity.store) {
            let frontier = if self.state.await_peer {
                self.state.frontier.clone()
            } else {
                identity.frontier
            };
            self.repository
                .mark(&[Mark::Store(identity.store.clone(), frontier.clone())])
                .await?;
            self.state.store = Some(identity.store);
            self.state.frontier = frontier;
        }
        self.restore_holds();
        self.retry_quarantined().await?;
        self.reporter.phase(if self.state.await_peer {
            Phase::AwaitingPeer
        } else {
            Phase::Reconciling
        });
        Ok(())
    }

    /// Observes every model that is not observed yet, from its cursor; reconciles those without a usable one.
    pub(super) async fn observe(&mut self) -> Result<(), SyncError> {
        for model in 0..self.observations.len() {
            if self.observations[model].is_some() || !self.is_observed(model) {
                continue;
            }
            let Some(scope) = self.setup.scopes.query(self.model(model)) else {
                // Observed once its scope is known.
                continue;
            };
            if self.fetch_of(model) == InitialFetch::Skip {
                let observation = self.observe_from_now(model, &scope).await?;
                self.observations[model] = Some(Running::new(observation));
                self.observing.fetched(model);
                self.arrived(model);
                continue;
            }
            let cursor = self.state.models[model].cursor.clone();
            let cursor = cursor.filter(|_| self.is_resumable(model));
            let observation = self
                .store
                .observe(self.model(model), &scope, cursor.as_ref())
                .await;
            if matches!(observation, Err(StoreError::CursorLost)) {
                // The next attempt compares everything.
                self.state.models[model].cursor = None;
            }
            let mut observation = observation?;
            // Observed first and scanned afterwards, so that nothing falls between the two.
            if cursor.is_none() {
                self.reconcile(model, scope, Some(&mut observation)).await?;
            } else {
                self.arrived(model);
            }
            self.observations[model] = Some(Running::new(observation));
            self.observing.fetched(model);
        }
        Ok(())
    }

    /// Whether what has changed since the last run, or the last observation, is told by the cursor: the rows are those of this scope, as of then.
    pub(super) fn is_resumable(&self, position: usize) -> bool {
        let state = &self.state.models[position];
        let scope = self.setup.scopes.query(self.model(position));
        let same_scope = match &state.reconciled {
            Some(done) => Some(done) == scope.as_ref() || off(Rule::ScopeMark),
            None => scope.is_some_and(|scope| self.observing.is_based(position, &scope)),
        };
        let anew = self.fetch_of(position) == InitialFetch::All;
        self.store.capabilities().cursor && same_scope && state.cursor.is_some() && !anew
    }

    /// Observes everything anew, and reconciles all of it.
    pub(super) fn restart_observations(&mut self) {
        for model in 0..self.observations.len() {
            self.observations[model] = None;
            self.observing.lose_base(model);
            self.state.models[model].reconciled = None;
        }
    }

    /// Queues every id that the store, the table or the known set has, but those of documents that an observation which has just begun saw unchanged; and the marks of a complete reconcile.
    #[tracing::instrument(skip_all, fields(collection = self.model(position).collection()))]
    pub(super) async fn reconcile(
        &mut self,
        position: usize,
        scope: Query,
        begun: Option<&mut S::Observation>,
    ) -> Result<(), SyncError> {
        let model = self.model(position);
        let other_scope = self.state.models[position]
            .reconciled
            .as_ref()
            .is_some_and(|done| *done != scope);
        let anew = self.fetch_of(position) == InitialFetch::All;
        if anew || (other_scope && !off(Rule::ScopeMark)) {
            // Before the first apply: the context may switch back half-way.
            self.forget_reconcile(position).await?;
        }
        let scan = self.store.scan(model, &scope).await?;
        if anew {
            self.forget_agreements(position, &scan.ids).await?;
        }
        let unseen = self.repository.unseen(model, &scan.ids).await?;
        tracing::debug!(store = scan.ids.len(), only_here = unseen.len(), "comparing");
        let ids = match begun {
            Some(observation) => self.pass_over_seen(position, scan.ids, observation).await?,
            None => scan.ids,
        };
        self.queues.clear(position);
        self.holds.restart(position);
        self.queues.fill(position, ids);
        self.queues.push(position, unseen);
        self.mark_cursor(position, scan.cursor);
        if self.state.models[position].reconciled.as_ref() != Some(&scope) || self.is_under_way(position) {
            self.queues
                .mark(position, Mark::Reconciled(model.collection(), Some(scope)));
        }
        Ok(())
    }

    pub(super) fn mark_cursor(&mut self, position: usize, cursor: Option<Cursor>) {
        if cursor.is_some() && self.state.models[position].cursor != cursor {
            let collection = self.model(position).collection();
            self.queues.mark(position, Mark::Cursor(collection, cursor));
        }
    }

    /// Where the engine can say what it holds: remembers it, to recognize a store that was replaced.
    pub(super) async fn remember_frontier(&mut self) -> Result<(), SyncError> {
        if self.state.await_peer || !self.store.capabilities().frontier {
            return Ok(());
        }
        let identity = self.store.identity(self.state.replica).await?;
        if identity.frontier != self.state.frontier && Some(&identity.store) == self.state.store.as_ref() {
            let mut marks = self.passed_cursors();
            marks.push(Mark::Store(identity.store, identity.frontier.clone()));
            self.repository.mark(&marks).await?;
            self.remember(&marks);
            self.state.frontier = identity.frontier;
        }
        Ok(())
    }

    /// Whether a replaced store holds all that the old one was seen to hold; if so it is trusted from now on.
    pub(super) async fn has_caught_up(&mut self) -> Result<bool, SyncError> {
        let Some(frontier) = &self.state.frontier else {
            return Ok(false);
        };
        let caught_up = self.store.covers(frontier).await? == Some(true);
        if caught_up {
            self.trust_store().await?;
        }
        Ok(caught_up)
    }

    /// From now on absence counts, and what is pending is sent.
    pub(super) async fn trust_store(&mut self) -> Result<(), SyncError> {
        self.repository.mark(&[Mark::AwaitPeer(false)]).await?;
        self.state.await_peer = false;
        self.local = true;
        self.restart_observations();
        Ok(())
    }
}
