//! What the app holds of a running coordinator: [`SyncHandle`].

use std::{sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    SyncError, auditing::Audit, lifecycle::Order, mass_changes::HoldRequest, reporter::Reporter,
    requests::Request, scoping::ContextRequest, streams::Listeners,
};
use crate::{
    clock::Clock,
    status::{SyncEvent, SyncStatus},
};

/// What the app holds of a running coordinator. Dropping it stops the coordinator too; [`shutdown`](Self::shutdown) also waits for that.
#[must_use = "dropping the handle stops the synchronization"]
pub struct SyncHandle {
    commands: mpsc::Sender<Command>,
    listeners: Listeners,
    status: watch::Receiver<SyncStatus>,
    events: broadcast::Sender<SyncEvent>,
    clock: Arc<dyn Clock>,
    ended: oneshot::Receiver<Result<(), SyncError>>,
    task: Option<JoinHandle<()>>,
}

/// What the app asks of the coordinator.
pub(super) enum Command {
    Shutdown,
    Settle(oneshot::Sender<()>),
    Ask(Request),
    Reconcile,
    Wake,
    AcceptStore,
    Audit(Audit),
    Context(ContextRequest),
    Lifecycle(Order),
    Holds(HoldRequest),
}

impl SyncHandle {
    pub(super) fn new(
        (commands, listeners): (mpsc::Sender<Command>, Listeners),
        reporter: &Reporter,
        clock: Arc<dyn Clock>,
        ended: oneshot::Receiver<Result<(), SyncError>>,
    ) -> Self {
        let (status, events) = reporter.listen();
        Self {
            commands,
            listeners,
            status,
            events,
            clock,
            ended,
            task: None,
        }
    }

    /// Ties the task that runs the coordinator to this handle, so that [`shutdown`](Self::shutdown) also notices its panic.
    pub fn own(&mut self, task: JoinHandle<()>) {
        self.task = Some(task);
    }

    /// How the coordinator is, now and at every change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }

    /// What happens from now on. A listener that is too slow misses the oldest events, and is told how many.
    #[must_use]
    pub fn events(&self) -> EventStream {
        EventStream {
            receiver: self.events.subscribe(),
        }
    }

    /// Waits until every local change committed before the call has reached the store, except those in quarantine, and those of rows with a
    /// [held](Self::held_changes) change. Says nothing of other peers. While the coordinator is paused, or no store is there, it goes on waiting.
    ///
    /// Cancellation safe.
    ///
    /// # Errors
    /// After `timeout`, with what is still pending and the last error; or when the coordinator has stopped.
    pub async fn settled(&self, timeout: Duration) -> Result<(), SettleError> {
        let (reply, settled) = oneshot::channel();
        let asked = async {
            self.commands
                .send(Command::Settle(reply))
                .await
                .map_err(|_| SettleError::Stopped)?;
            settled.await.map_err(|_| SettleError::Stopped)
        };
        match select(std::pin::pin!(asked), self.clock.sleep(timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                let status = self.status.borrow();
                Err(SettleError::Timeout {
                    timeout,
                    pending: status.pending(),
                    last_error: status.what_is_wrong(),
                })
            }
        }
    }

    /// Tells the coordinator something; an error when it has stopped.
    pub(super) async fn command(&self, command: Command) -> Result<(), ()> {
        self.commands.send(command).await.map_err(drop)
    }

    /// Answers when everything local has reached the store.
    pub(super) async fn settle(&self) -> oneshot::Receiver<()> {
        let (reply, settled) = oneshot::channel();
        // A stopped coordinator drops the reply, which the receiver notices.
        let _ = self.command(Command::Settle(reply)).await;
        settled
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Looks for local changes now. Needed only where triggers are switched off.
    pub async fn wake(&self) {
        // A stopped coordinator has nothing to look for.
        let _ = self.commands.send(Command::Wake).await;
    }

    /// Compares every table with the store again.
    pub async fn reconcile(&self) {
        let _ = self.commands.send(Command::Reconcile).await;
    }

    /// The store was replaced, and is to be taken as complete: sends what is pending although the store has not caught up with what the old one held.
    /// See [`Phase::AwaitingPeer`](crate::status::Phase::AwaitingPeer).
    pub async fn accept_store(&self) {
        let _ = self.commands.send(Command::AcceptStore).await;
    }

    /// Stops after the step under way, releases the database and waits until that is done. Nothing pending is lost: it goes on at the next start.
    ///
    /// # Errors
    /// When the coordinator had failed for good before, or panicked.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        // When it stopped by itself the outcome is waiting already.
        let _ = self.commands.send(Command::Shutdown).await;
        let outcome = (&mut self.ended).await;
        if let Some(task) = self.task.take() {
            task.await.map_err(ShutdownError::Panicked)?;
        }
        match outcome {
            Ok(outcome) => outcome.map_err(ShutdownError::Failed),
            Err(_) => Err(ShutdownError::Dropped),
        }
    }
}

/// Events of a coordinator, as they happen.
pub struct EventStream {
    receiver: broadcast::Receiver<SyncEvent>,
}

impl EventStream {
    /// The next event; `None` when the coordinator has stopped. Cancellation safe.
    pub async fn next(&mut self) -> Option<SyncEvent> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(SyncEvent::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Why waiting for the store ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Not everything has reached the store in time.
    #[error(
        "{pending} local changes have not reached the store within {timeout:?}; last error: {last_error}"
    )]
    Timeout {
        /// How long was waited.
        timeout: Duration,
        /// Changes still pending.
        pending: u64,
        /// The last error of the coordinator, or that it is paused or has no store, or `none`.
        last_error: String,
    },
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// Why a shutdown was not clean.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The coordinator had failed for good before.
    #[error("the coordinator had failed")]
    Failed(#[source] SyncError),
    /// The coordinator panicked.
    #[error("the coordinator panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// The future that runs the coordinator was dropped.
    #[error("the coordinator was dropped while running")]
    Dropped,
}
