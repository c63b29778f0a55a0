//! Another context while the coordinator runs: the app's side on [`SyncHandle`], and how the collections change over, one after the other.
//!
//! Not here: what a change means for a collection and which one is next (`scope::switch`), how values become scopes (`scope::context`), and the comparison
//! with the store that every new scope begins with (`startup_phase`).

use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::{SyncError, SyncHandle, engine::Engine, handle::Command};
use crate::{
    query::Query,
    repository::{Mark, Repository},
    rules::{Rule, off},
    scope::{
        ContextError, ContextSource, Scopes,
        switch::{self, Standing, Step},
    },
    store::DocumentStore,
    value::Value,
};

/// What the app asks about the context.
pub(super) enum ContextRequest {
    /// The parameter has another source.
    Set(String, ContextSource, oneshot::Sender<Result<(), ContextError>>),
    /// All sources are read again.
    Refresh(oneshot::Sender<Result<(), ContextError>>),
    /// Answered once every collection holds what belongs to its scope.
    Await(oneshot::Sender<()>),
}

/// Where the collections are to get, and who waits for that.
pub(super) struct Scoping {
    wanted: Scopes,
    /// By position of the model: it has begun to change over, and has not got there yet.
    under_way: Vec<bool>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// Why waiting for a scope ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Not everything was compared and applied in time.
    #[error(
        "the tables did not hold all that belongs to their scope within {timeout:?}; changing over: {}; last error: {last_error}",
        collections.join(", ")
    )]
    Timeout {
        /// How long was waited.
        timeout: Duration,
        /// The collections that are changing over to another scope.
        collections: Vec<&'static str>,
        /// The last error of the coordinator, or that it is paused or has no store, or `none`.
        last_error: String,
    },
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

impl SyncHandle {
    /// Gives a parameter of the context another value, in place of the value, closure or channel it had.
    ///
    /// Returns when the coordinator has taken it up: from then on it works towards the new scopes, and the last values count, however often they change. The
    /// collections concerned change over one after the other ([`SCOPE_SWITCHES_AT_ONCE`](crate::limits::SCOPE_SWITCHES_AT_ONCE)): what does not belong
    /// any more is removed (or kept, as `left_scope` says) on this device alone, local changes are sent first, and what belongs now comes in.
    /// [`reconciled`](Self::reconciled) waits for the end of it; [`SyncEvent::ScopeChanged`](crate::status::SyncEvent::ScopeChanged) tells it by collection.
    ///
    /// The app gives the context at each start; it is not kept. Cancelled, it may still happen.
    ///
    /// # Errors
    /// When no scope and no filter names the parameter, the value is of another kind than a field it is compared with (nothing has changed then), or the
    /// coordinator has stopped.
    pub async fn set_context(
        &self,
        parameter: impl Into<String>,
        value: impl Into<Value>,
    ) -> Result<(), ContextError> {
        let source = ContextSource::from(value.into());
        self.change_context(|reply| ContextRequest::Set(parameter.into(), source, reply))
            .await
    }

    /// Says that the value of a parameter is not known: after a logout, say. The models that need it wait until it is
    /// [set](Self::set_context) again. Their rows stay, and what the app writes is sent.
    ///
    /// # Errors
    /// Those of [`set_context`](Self::set_context).
    pub async fn clear_context(&self, parameter: impl Into<String>) -> Result<(), ContextError> {
        let source = ContextSource::unknown();
        self.change_context(|reply| ContextRequest::Set(parameter.into(), source, reply))
            .await
    }

    /// Asks every closure of the context again, and goes on as [`set_context`](Self::set_context) does.
    ///
    /// # Errors
    /// Those of [`set_context`](Self::set_context); then nothing has changed.
    pub async fn refresh_context(&self) -> Result<(), ContextError> {
        self.change_context(ContextRequest::Refresh).await
    }

    /// Waits until every table holds what belongs to its scope as this device's store has it, and no row that has left (but those whose changes
    /// cannot be sent). Collections that wait for a value of the context are not waited for.
    ///
    /// Cancellation safe.
    ///
    /// # Errors
    /// After `timeout`, with the collections that are still changing over; or when the coordinator has stopped.
    pub async fn reconciled(&self, timeout: Duration) -> Result<(), ReconcileError> {
        let (reply, reconciled) = oneshot::channel();
        let asked = async {
            self.command(Command::Context(ContextRequest::Await(reply)))
                .await
                .map_err(|()| ReconcileError::Stopped)?;
            reconciled.await.map_err(|_| ReconcileError::Stopped)
        };
        match select(std::pin::pin!(asked), self.clock().sleep(timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                let status = self.status();
                let status = status.borrow();
                let changing = status.collections.iter().filter(|(_, of)| of.changing_scope);
                Err(ReconcileError::Timeout {
                    timeout,
                    collections: changing.map(|(collection, _)| *collection).collect(),
                    last_error: status.what_is_wrong(),
                })
            }
        }
    }

    async fn change_context(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), ContextError>>) -> ContextRequest,
    ) -> Result<(), ContextError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Context(request(reply)))
            .await
            .map_err(|()| ContextError::Stopped)?;
        answer.await.map_err(|_| ContextError::Stopped)?
    }
}

impl Scoping {
    pub(super) fn new(scopes: &Scopes, models: usize) -> Self {
        Self {
            wanted: scopes.clone(),
            under_way: vec![false; models],
            waiting: Vec::new(),
        }
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Takes up what the app asks about the context. Whoever gave up waiting needs no answer.
    pub(super) fn take_context(&mut self, request: ContextRequest) {
        match request {
            ContextRequest::Set(parameter, source, reply) => {
                let mut context = self.setup.context.clone();
                context.set(None, &parameter, source);
                context.read_parameter(&parameter);
                let _ = reply.send(self.want(context));
            }
            ContextRequest::Refresh(reply) => {
                let mut context = self.setup.context.clone();
                context.read();
                let _ = reply.send(self.want(context));
            }
            ContextRequest::Await(reply) => self.scoping.waiting.push(reply),
        }
    }

    /// A value that is followed has changed. One that does not fit changes nothing, and is reported.
    pub(super) fn follow_context(&mut self) {
        let models = &self.setup.models;
        let mut refused = self.setup.context.follow(models);
        let context = self.setup.context.clone();
        refused.extend(self.want(context).err());
        for error in refused {
            self.reporter.context_refused(&error);
        }
    }

    fn want(&mut self, context: crate::scope::Context) -> Result<(), ContextError> {
        self.scoping.wanted = context.scopes(&self.setup.models)?;
        self.setup.context = context;
        self.reporter.context_accepted();
        Ok(())
    }

    /// Whether documents of this model are looked at: it receives, and its scope is known.
    pub(super) fn looks_at(&self, position: usize) -> bool {
        let model = self.model(position);
        model.direction().receives() && !self.setup.scopes.awaits(model)
    }

    /// Lets the collections whose turn it is change over. May be repeated after an error: nothing has been judged by the new scope before its
    /// collection has changed over, and that happens between two awaits.
    pub(super) async fn change_scopes(&mut self) -> Result<(), SyncError> {
        while let Some((position, step)) = self.next_change() {
            let model = self.model(position);
            let wanted = self.scoping.wanted.of(model).clone();
            if let Some(scope) = self.scoping.wanted.query(model) {
                self.forget_other_scope(position, &scope).await?;
            }
            if step == Step::Start && model.direction().receives() {
                self.retry_quarantined_of(position).await?;
            } else {
                // A complete comparison follows, or none. Dropping the observation ends the subscription.
                self.observations[position] = None;
                self.queues.clear(position);
                self.holds.restart(position);
            }
            tracing::info!(collection = model.collection(), ?step, "the scope changes");
            self.reporter.scope(model.collection(), &wanted);
            self.setup.scopes.put(model, wanted);
            self.go(position);
        }
        Ok(())
    }

    /// Before anything is judged by another scope than that of the last complete comparison: from here on the rows are those of neither, also
    /// after a crash.
    async fn forget_other_scope(&mut self, position: usize, scope: &Query) -> Result<(), SyncError> {
        let model = self.model(position);
        let same = self.state.models[position].reconciled.as_ref() == Some(scope);
        if same || !model.direction().receives() || off(Rule::ScopeMark) {
            return Ok(());
        }
        // What is remembered of it may be gone already (`restart_observations`) though it is durable.
        self.repository
            .mark(&[Mark::Reconciled(model.collection(), None)])
            .await?;
        self.state.models[position].reconciled = None;
        Ok(())
    }

    fn go(&mut self, position: usize) {
        let going = self.looks_at(position);
        self.scoping.under_way[position] = going;
        self.reporter
            .changing_scope(self.model(position).collection(), going);
        if !going {
            return;
        }
        // Rows no store has met are seeded after the comparison.
        self.reconciled = false;
        self.unpark = true;
    }

    /// Whether a collection has begun to change over and has not got there yet.
    pub(super) fn is_under_way(&self, position: usize) -> bool {
        self.scoping.under_way[position]
    }

    /// All that belongs to the scope of this collection is here.
    pub(super) fn arrived(&mut self, position: usize) {
        if std::mem::take(&mut self.scoping.under_way[position]) {
            self.reporter.scope_changed(self.model(position).collection());
        }
    }

    /// Nothing is left to do: whoever waits for the scopes is told.
    pub(super) fn answer_reconciled(&mut self) {
        if self.reconciled && !self.scoping.under_way.contains(&true) && self.next_change().is_none() {
            for waiting in self.scoping.waiting.drain(..) {
                // Whoever gave up waiting needs no answer.
                let _ = waiting.send(());
            }
        }
    }

    fn next_change(&self) -> Option<(usize, Step)> {
        let standing = |position: usize| {
            let model = self.model(position);
            Standing {
                step: switch::step(self.setup.scopes.of(model), self.scoping.wanted.of(model)),
                under_way: self.scoping.under_way[position],
            }
        };
        if self.setup.scopes == self.scoping.wanted {
            return None;
        }
        let standings: Vec<_> = (0..self.setup.models.len()).map(standing).collect();
        let next = switch::next(&self.state.order, &standings)?;
        Some((next, standings[next].step))
    }
}
