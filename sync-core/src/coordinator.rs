//! Moves changes between a repository and a store: [`Coordinator`].
//!
//! One thing at a time: the intent in flight is settled before anything is fetched or applied, and no own write happens between a fetch and its apply. What
//! to send and how to merge is decided by [`merge`](crate::merge); here is only the order, the waiting and the retrying. The coordinator is one future
//! that spawns nothing and asks an injected [`Clock`] for the time, so a simulation can run it step by step.

mod auditing;
mod backup;
mod engine;
mod handle;
mod history;
mod holds;
mod hooking;
mod hydrating;
mod inbound;
mod lifecycle;
mod listening;
mod mass_changes;
mod models;
mod notifying;
mod observing;
mod outbound;
mod overwritten;
mod queue;
mod recognizing;
mod records;
mod reporter;
mod requests;
mod scoping;
mod seeding;
mod signals;
mod startup_phase;
mod strays;
mod streams;
mod suspects;

use std::{
    pin::pin,
    sync::{Arc, Weak},
};

use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

pub use self::{
    backup::BackupPull,
    handle::{EventStream, SettleError, ShutdownError, SyncHandle},
    hydrating::HydrationReport,
    lifecycle::PauseError,
    mass_changes::{HeldChange, HoldError},
    models::ModelError,
    records::{AwaitStoredError, Edit, RecordError},
    scoping::ReconcileError,
    streams::{Changes, Watch},
};
use self::{engine::Engine, listening::Listening, reporter::Reporter, streams::Listeners};
use crate::{
    clock::{Clock, SystemClock},
    config::SyncConfig,
    descriptor::ModelDescriptor,
    error::ErrorKind,
    limits::COMMANDS_WAITING,
    repository::{Repository, RepositoryError},
    scope::{Context, Scopes},
    status::Phase,
    store::{DocumentStore, StoreError},
};

/// What a coordinator works with, beside repository and store.
#[derive(Clone)]
pub struct Setup {
    /// The models, each with its own collection and table.
    pub models: Vec<&'static ModelDescriptor>,
    /// Which documents belong on this device.
    pub scopes: Scopes,
    /// Where the values of the scopes come from; without one they are fixed.
    pub(crate) context: Context,
    /// How it behaves.
    pub config: SyncConfig,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Decides the jitter of retries.
    pub seed: u64,
}

impl Setup {
    /// These models, without scope, with the default configuration, on the machine's clock.
    #[must_use]
    pub fn new(models: Vec<&'static ModelDescriptor>) -> Self {
        Self {
            models,
            scopes: Scopes::everything(),
            context: Context::default(),
            config: SyncConfig::adaptive(),
            clock: Arc::new(SystemClock::new()),
            seed: fastrand::u64(..),
        }
    }
}

/// A coordinator that is ready to run.
pub struct Coordinator<R: Repository, S: DocumentStore> {
    engine: Engine<R, S>,
    listening: Listening<R>,
    finished: oneshot::Sender<Result<(), SyncError>>,
}

impl<R: Repository, S: DocumentStore> Coordinator<R, S> {
    /// Prepares the repository: checks, tables, triggers, lock. Nothing is exchanged before [`run`](Self::run).
    ///
    /// # Errors
    /// Those of [`Repository::prepare`]: what is wrong with the tables, another coordinator, a file that cannot be written.
    pub async fn prepare(
        repository: R,
        store: S,
        setup: Setup,
    ) -> Result<(SyncHandle, Self), RepositoryError> {
        let state = repository.prepare(&setup.models).await?;
        let (commands, inbox) = mpsc::channel(COMMANDS_WAITING);
        let (finished, ended) = oneshot::channel();
        let reporter = Reporter::new(&setup.models, Arc::clone(&setup.clock));
        reporter.warnings(repository.warnings());
        for model in &setup.models {
            reporter.scope(model.collection(), setup.scopes.of(model));
        }
        if setup.config.starts_paused() {
            repository.close().await;
            reporter.phase(Phase::Paused);
        }
        let repository = Arc::new(repository);
        let (subscribe, subscribed) = mpsc::channel(COMMANDS_WAITING);
        let listening = Listening::new(
            Arc::clone(&repository),
            &setup.models,
            Arc::clone(&setup.clock),
            subscribed,
        );
        let rows: Weak<R> = Arc::downgrade(&repository);
        let listeners = Listeners { subscribe, rows };
        let clock = Arc::clone(&setup.clock);
        let handle = SyncHandle::new((commands, listeners), &reporter, clock, ended);
        let engine = Engine::new(repository, store, setup, state, (inbox, reporter));
        let coordinator = Self {
            engine,
            listening,
            finished,
        };
        Ok((handle, coordinator))
    }

    /// Runs until the handle is shut down or dropped. Dropping this future is a crash: nothing is lost, the next start goes on.
    pub async fn run(self) {
        // Beside the engine, and no part of it: listeners hear of local changes while it waits for the store.
        let outcome = match select(pin!(self.engine.run()), pin!(self.listening.run())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((never, _)) => match never {},
        };
        if let Err(error) = &outcome {
            tracing::error!(error = %reporter::chain(error), "the coordinator stopped");
        }
        // Without a receiver the handle was dropped, and nobody wants to know.
        let _ = self.finished.send(outcome);
    }
}

/// Why a coordinator stopped, or has to try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The store failed.
    #[error("the exchange with the store failed")]
    Store(#[from] StoreError),
    /// The database failed.
    #[error("the exchange with the database failed")]
    Repository(#[from] RepositoryError),
}

impl SyncError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Repository(error) => error.kind(),
        }
    }

    /// Whether no store is there, or another one.
    fn is_detached(&self) -> bool {
        matches!(self, Self::Store(StoreError::Detached))
    }

    /// Whether one side is gone for good.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Closed) | Self::Repository(RepositoryError::Closed)
        )
    }
}
