//! Pausing and resuming, and the time without a store: what is let go of, and how it begins anew.
//!
//! Not here: the first start (`startup_phase`), which every later beginning goes through too.

use std::collections::VecDeque;

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tokio::sync::oneshot;

use super::{
    SyncError, SyncHandle,
    engine::{Engine, Flow},
    handle::Command,
    signals::Signal,
};
use crate::{
    repository::{Repository, RepositoryError, SyncState},
    status::Phase,
    store::DocumentStore,
};

/// Why pausing or resuming failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PauseError {
    /// The database could not be taken up again: another coordinator has it, or it does not fit the models any more. The coordinator stays paused;
    /// resume again.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// What the app asks of the coordinator as a whole, in this order.
pub(super) enum Order {
    Pause(Reply),
    Resume(Reply),
}

/// Where an answer goes.
type Reply = oneshot::Sender<Result<(), PauseError>>;

/// Whether a coordinator has begun, is paused, or is about to be.
pub(super) struct Lifecycle {
    /// Store and database have been compared.
    pub(super) has_begun: bool,
    /// The state in memory may not be the durable one any more.
    is_outdated: bool,
    is_paused: bool,
    orders: VecDeque<Order>,
}

impl Lifecycle {
    pub(super) fn new(is_paused: bool) -> Self {
        Self {
            has_begun: false,
            is_outdated: false,
            is_paused,
            orders: VecDeque::new(),
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether there is something to do before all else.
    pub(super) fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    pub(super) fn push(&mut self, order: Order) {
        self.orders.push_back(order);
    }
}

impl SyncHandle {
    /// Stops exchanging anything after the step under way, and releases the database: its lock, and all connections but the app's own. So a suspended mobile
    /// app holds no lock, and another coordinator may open the database meanwhile. Changes go on being captured. On return all of that is done.
    ///
    /// While paused, questions about records are answered with [`RecordError::Paused`](super::RecordError::Paused); what waits for the
    /// exchange, [`settled`](Self::settled) above all, waits until it is resumed. Pausing twice is pausing once.
    ///
    /// Cancelled, it may still happen.
    ///
    /// # Errors
    /// When the coordinator has stopped.
    pub async fn pause(&self) -> Result<(), PauseError> {
        self.order(Order::Pause).await
    }

    /// Takes the database up again, and begins as at a start, without the startup delay: what changed meanwhile travels. On return the database is
    /// taken up; [`settled`](Self::settled) waits for the rest. Does nothing unless paused.
    ///
    /// Cancelled, it may still happen.
    ///
    /// # Errors
    /// Those of [`Repository::prepare`], [`RepositoryError::InUse`] among them when another coordinator has the database; it stays paused then, and may be
    /// resumed again. When the coordinator has stopped.
    pub async fn resume(&self) -> Result<(), PauseError> {
        self.order(Order::Resume).await
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<(), PauseError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Lifecycle(order(reply)))
            .await
            .map_err(|()| PauseError::Stopped)?;
        answer.await.map_err(|_| PauseError::Stopped)?
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Carries out what was asked, and stays here as long as it is paused.
    pub(super) async fn follow_orders(&mut self) -> Flow {
        loop {
            while let Some(order) = self.lifecycle.orders.pop_front() {
                // Whoever gave up waiting needs no answer.
                match order {
                    Order::Pause(reply) => {
                        self.release_database().await;
                        let _ = reply.send(Ok(()));
                    }
                    Order::Resume(reply) => {
                        let outcome = self.take_up_database().await;
                        let _ = reply.send(outcome.map_err(Into::into));
                    }
                }
            }
            if !self.lifecycle.is_paused {
                return Flow::Continue;
            }
            let command = self.inbox.recv().await;
            // Without an observation no signal here can fail.
            if matches!(self.take(Signal::Command(command)).await, Ok(Flow::Stop)) {
                return Flow::Stop;
            }
            self.refuse_requests();
            self.refuse_hold_requests();
            self.refuse_model_requests();
        }
    }

    async fn release_database(&mut self) {
        if std::mem::replace(&mut self.lifecycle.is_paused, true) {
            return;
        }
        self.let_go();
        self.refuse_requests();
        self.refuse_hold_requests();
        self.refuse_model_requests();
        self.repository.close().await;
        self.reporter.phase(Phase::Paused);
    }

    async fn take_up_database(&mut self) -> Result<(), RepositoryError> {
        if !self.lifecycle.is_paused {
            return Ok(());
        }
        let state = self.repository.prepare(&self.setup.models).await?;
        self.reporter.warnings(self.repository.warnings());
        self.go_on_from(state);
        self.lifecycle.is_paused = false;
        self.reporter.phase(Phase::Starting);
        Ok(())
    }

    /// Waits until there is a store. Commands are taken meanwhile, and what is captured is counted.
    pub(super) async fn await_store(&mut self) -> Flow {
        self.let_go();
        if self.store.attached().now_or_never().is_some() {
            return Flow::Continue;
        }
        self.reporter.phase(Phase::AwaitingStore);
        loop {
            self.serve().await;
            if self.lifecycle.has_orders() {
                return Flow::Continue;
            }
            if let Ok(pending) = self.repository.pending().await {
                self.reporter.pending(&pending);
            }
            match self.next_without_store().await {
                None => return Flow::Continue,
                Some(signal) => {
                    // Without an observation no signal here can fail.
                    if matches!(self.take(signal).await, Ok(Flow::Stop)) {
                        return Flow::Stop;
                    }
                }
            }
        }
    }

    /// `None`: there is a store. Cancellation safe, because each of the futures waited on is.
    async fn next_without_store(&mut self) -> Option<Signal> {
        let attached = std::pin::pin!(self.store.attached());
        let command = std::pin::pin!(self.inbox.recv());
        let changed = std::pin::pin!(self.repository.changed());
        match select(attached, select(command, changed)).await {
            Either::Left(((), _)) => None,
            Either::Right((Either::Left((command, _)), _)) => Some(Signal::Command(command)),
            Either::Right((Either::Right(((), _)), _)) => Some(Signal::Local),
        }
    }

    /// Ends everything that is under way with the store. Nothing is lost: what was looked at is durable, and the rest is found again.
    fn let_go(&mut self) {
        for model in 0..self.observations.len() {
            self.observations[model] = None;
            self.queues.clear(model);
        }
        self.reconciled = false;
        self.unpark = true;
        self.local = true;
        self.refusals = 0;
        self.searching = false;
        self.steps = 0;
        self.backoff.succeed();
        self.hydrating.restart();
        self.seeding.restart();
        self.lifecycle.has_begun = false;
        self.lifecycle.is_outdated = true;
    }

    /// Before store and database are compared: what is durable counts, and what the store that is there now can do.
    pub(super) async fn catch_up_with_database(&mut self) -> Result<(), SyncError> {
        if self.lifecycle.is_outdated {
            let state = self.repository.state().await?;
            self.go_on_from(state);
        }
        self.send_limit = self.store.capabilities().intent_operations_max;
        Ok(())
    }

    fn go_on_from(&mut self, state: SyncState) {
        let before = std::mem::replace(&mut self.state, state);
        for (model, before) in self.state.models.iter_mut().zip(before.models) {
            // A reconcile that was asked for and not completed is still due.
            if before.reconciled.is_none() {
                model.reconciled = None;
            }
        }
        self.lifecycle.is_outdated = false;
    }
}
