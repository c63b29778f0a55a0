//! The loop of a coordinator: [`Engine`]. What each step does stands in the sibling modules.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    Setup, SyncError,
    auditing::Audit,
    backup::Pull,
    handle::Command,
    holds::Holds,
    hooking::Declined,
    hydrating::Hydrating,
    lifecycle::Lifecycle,
    mass_changes::HoldRequest,
    models::ModelRequests,
    observing::{Observing, Running},
    queue::Queues,
    reporter::Reporter,
    requests::Request,
    scoping::Scoping,
    seeding::Seeding,
    signals::Signal,
    strays::Strays,
    suspects::Suspects,
};
use crate::{
    batching::Batching,
    descriptor::ModelDescriptor,
    limits::{BATCH_ROWS_MIN, BISECT_PAUSE, BISECT_STEPS, INTENT_ROWS_MIN, PEER_CHECK_PAUSE},
    repository::{Mark, Repository, RowRef, SyncState},
    retry::Backoff,
    rules::{Rule, off},
    status::Phase,
    store::{ChangeBatch, DocumentStore, StoreError},
};

/// The state of a running coordinator. All of it may be lost at any await: what counts is durable in repository and store.
pub(super) struct Engine<R: Repository, S: DocumentStore> {
    pub(super) repository: Arc<R>,
    pub(super) store: S,
    pub(super) setup: Setup,
    pub(super) state: SyncState,
    pub(super) inbox: mpsc::Receiver<Command>,
    pub(super) reporter: Reporter,
    /// By position of the model; `None` for models that do not receive, and until observation starts.
    pub(super) observations: Vec<Option<Running<S::Observation>>>,
    pub(super) queues: Queues,
    pub(super) inbound_batching: Batching,
    pub(super) outbound_batching: Batching,
    pub(super) backoff: Backoff,
    /// A local change may be waiting.
    pub(super) local: bool,
    /// The reconcile of the start is over: rows the store has never met may be seeded.
    pub(super) reconciled: bool,
    /// Most operations of the next intent; small after failures.
    pub(super) send_limit: usize,
    /// Refusals in a row.
    pub(super) refusals: u32,
    /// Rows have changed: what waits for one may fit now.
    pub(super) unpark: bool,
    /// The app takes the replaced store as complete.
    pub(super) accepted: bool,
    /// Rows whose writes keep failing.
    pub(super) suspects: Suspects,
    /// Documents in quarantine that no observation tells of.
    pub(super) strays: Strays,
    /// Of them, those that may have changed.
    pub(super) looks: VecDeque<RowRef>,
    /// A search for one has just made a step.
    pub(super) searching: bool,
    /// Such steps since the last long pause.
    pub(super) steps: u32,
    /// What was asked about single records.
    pub(super) requests: VecDeque<Request>,
    /// Changes from the store that are too many to be applied unasked.
    pub(super) holds: Holds,
    /// What was asked about them.
    pub(super) hold_requests: VecDeque<HoldRequest>,
    /// What was asked about differences between tables and store.
    pub(super) audits: Vec<Audit>,
    /// Where the collections are to get when the context changes.
    pub(super) scoping: Scoping,
    /// Documents that the app's hooks declined.
    pub(super) declined: Declined,
    /// Backups that are pulled, one after the other.
    pub(super) pulls: VecDeque<Pull<S::Observation>>,
    /// Who waits for the store to have everything local.
    pub(super) settling: Vec<oneshot::Sender<()>>,
    /// Whether it has begun, is paused, or is about to be.
    pub(super) lifecycle: Lifecycle,
    /// Which models are observed, and from when on.
    pub(super) observing: Observing,
    /// Models that the app wants compared.
    pub(super) hydrating: Hydrating,
    /// How far seeding has come.
    pub(super) seeding: Seeding,
    /// What was asked about models and needs the database.
    pub(super) model_requests: ModelRequests,
    /// A change that no trigger saw waits for its document; then there is something to send.
    pub(super) noted: bool,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Stop,
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    pub(super) fn new(
        repository: Arc<R>,
        store: S,
        setup: Setup,
        state: SyncState,
        (inbox, reporter): (mpsc::Receiver<Command>, Reporter),
    ) -> Self {
        let models = setup.models.len();
        Self {
            observations: (0..models).map(|_| None).collect(),
            queues: Queues::new(models, state.order.clone()),
            inbound_batching: Batching::new(setup.config.pacing()),
            outbound_batching: Batching::new(setup.config.pacing()).at_least(INTENT_ROWS_MIN),
            backoff: Backoff::new(setup.seed),
            local: true,
            reconciled: false,
            send_limit: store.capabilities().intent_operations_max,
            refusals: 0,
            unpark: true,
            accepted: false,
            suspects: Suspects::new(setup.seed),
            strays: Strays::new(setup.seed),
            looks: VecDeque::new(),
            searching: false,
            steps: 0,
            requests: VecDeque::new(),
            holds: Holds::new(&setup.models, &setup.config, state.models.iter().map(|_| None)),
            hold_requests: VecDeque::new(),
            audits: Vec::new(),
            declined: Declined::default(),
            pulls: VecDeque::new(),
            scoping: Scoping::new(&setup.scopes, models),
            settling: Vec::new(),
            lifecycle: Lifecycle::new(setup.config.starts_paused()),
            observing: Observing::new(models),
            hydrating: Hydrating::default(),
            seeding: Seeding::default(),
            model_requests: ModelRequests::default(),
            noted: false,
            repository,
            store,
            setup,
            state,
            inbox,
            reporter,
        }
    }

    /// Runs until told to stop, or until one side is gone for good; then releases the repository.
    pub(super) async fn run(mut self) -> Result<(), SyncError> {
        let outcome = self.session().await;
        self.observations.clear();
        self.repository.close().await;
        self.reporter.phase(Phase::Stopped);
        outcome
    }

    async fn session(&mut self) -> Result<(), SyncError> {
        let delay = self.setup.config.startup_delay_value();
        let waits = !delay.is_zero() && !self.lifecycle.is_paused();
        if waits && self.rest(delay).await == Flow::Stop {
            return Ok(());
        }
        self.reporter.tell_warnings();
        loop {
            if self.follow_orders().await == Flow::Stop {
                return Ok(());
            }
            let outcome = if self.lifecycle.has_begun {
                self.turn().await
            } else {
                self.begin().await.map(|()| Flow::Continue)
            };
            match outcome {
                Ok(Flow::Stop) => return Ok(()),
                Ok(Flow::Continue) => self.lifecycle.has_begun = true,
                Err(error) if error.is_final() => return Err(error),
                Err(error) if error.is_detached() => {
                    if self.await_store().await == Flow::Stop {
                        return Ok(());
                    }
                }
                Err(error) => {
                    if self.retry(&error).await == Flow::Stop {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One round: signals that are there, one step of work, or else waiting.
    async fn turn(&mut self) -> Result<Flow, SyncError> {
        while let Some(signal) = self.signal_now() {
            if self.take(signal).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        if self.lifecycle.has_orders() {
            return Ok(Flow::Continue);
        }
        self.serve().await;
        self.serve_holds().await;
        self.end_gathering();
        if std::mem::take(&mut self.accepted) && self.state.await_peer {
            self.trust_store().await?;
        }
        self.change_scopes().await?;
        self.observe().await?;
        self.hydrate().await?;
        let pulled = self.pull_some().await?;
        if self.work().await? {
            self.worked();
            return match self.inbound_batching.pause() {
                Some(pause) => Ok(self.rest(pause).await),
                None => Ok(Flow::Continue),
            };
        }
        if pulled || self.opens_up().await? {
            return Ok(Flow::Continue);
        }
        if !self.state.await_peer && self.serve_audits().await {
            return Ok(Flow::Continue);
        }
        self.idle().await?;
        let time = self.next_look().map(|pause| self.setup.clock.sleep(pause));
        let signal = self.signal(time).await;
        self.take(signal).await
    }

    /// How long to wait at most when nothing happens.
    fn next_look(&self) -> Option<Duration> {
        if self.state.await_peer {
            // A store can catch up without a document of ours changing.
            return Some(PEER_CHECK_PAUSE);
        }
        let now = self.setup.clock.now();
        let trial = self.suspects.next_due().map(|due| due.since(now));
        let pull = self.pull_due().map(|due| due.since(now));
        let stray = self.strays.next_due().map(|due| due.since(now));
        [trial, pull, stray, self.holds.next_due(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// One step: the intent in flight before anything else, then a chunk of what came in, then what is to go out.
    async fn work(&mut self) -> Result<bool, SyncError> {
        if self.state.in_flight.is_some() {
            if off(Rule::Settle) {
                self.look().await?;
            }
            self.settle().await?;
            return Ok(true);
        }
        self.look_for_strays();
        let inbound = self.look().await?;
        let outbound = self.state.in_flight.is_none() && self.send().await?;
        Ok(inbound || outbound)
    }

    /// Something worked: failures are over.
    fn worked(&mut self) {
        // A row that is set aside is a failure that is not over: it may be that the store takes no writes.
        if !self.suspects.any_aside() {
            self.backoff.succeed();
            self.reporter.recovered();
        }
        self.reporter.phase(self.phase());
    }

    fn phase(&self) -> Phase {
        if self.state.await_peer {
            Phase::AwaitingPeer
        } else if self.suspects.any_aside() {
            Phase::Retrying
        } else if self.reconciled {
            Phase::Live
        } else {
            Phase::Reconciling
        }
    }

    /// Nothing is left to do of what was known: is there more now? After the first reconcile seeding may begin; after rows have changed parked ones may fit; a
    /// replaced store may have caught up.
    async fn opens_up(&mut self) -> Result<bool, SyncError> {
        if !self.reconciled {
            self.reconciled = true;
            self.local = true;
            return Ok(true);
        }
        if self.end_empty_holds() {
            return Ok(true);
        }
        if std::mem::take(&mut self.unpark) && self.retry_parked().await? {
            return Ok(true);
        }
        Ok(self.state.await_peer && self.has_caught_up().await?)
    }

    /// Nothing is left to do: the status is brought up to date, and whoever waited for this is told.
    async fn idle(&mut self) -> Result<(), SyncError> {
        self.worked();
        self.remember_frontier().await?;
        let pending = self.repository.pending().await?;
        self.reporter.pending(&pending);
        self.close_seedings().await?;
        if !self.suspects.any_aside() {
            self.suspects.idle();
        }
        self.answer_reconciled();
        if !self.state.await_peer && !self.suspects.any_aside() {
            for waiting in self.settling.drain(..) {
                // Whoever gave up waiting needs no answer.
                let _ = waiting.send(());
            }
        }
        Ok(())
    }

    pub(super) async fn take(&mut self, signal: Signal) -> Result<Flow, SyncError> {
        match signal {
            Signal::Command(None | Some(Command::Shutdown)) => return Ok(Flow::Stop),
            Signal::Command(Some(Command::Settle(reply))) => {
                self.settling.push(reply);
                self.local = true;
            }
            Signal::Command(Some(Command::Wake)) | Signal::Local => {
                self.local = true;
                self.looks = self.suspects.in_quarantine().cloned().collect();
            }
            Signal::Command(Some(Command::Ask(request))) => self.requests.push_back(request),
            Signal::Command(Some(Command::Reconcile)) => self.restart_observations(),
            Signal::Command(Some(Command::AcceptStore)) => self.accepted = true,
            Signal::Command(Some(Command::Holds(request))) => self.hold_requests.push_back(request),
            Signal::Command(Some(Command::Audit(audit))) => self.audits.push(audit),
            Signal::Command(Some(Command::Pull(request))) => self.begin_pull(request),
            Signal::Command(Some(Command::Context(request))) => self.take_context(request),
            Signal::Context => self.follow_context(),
            Signal::Command(Some(Command::Lifecycle(order))) => self.lifecycle.push(order),
            Signal::Command(Some(Command::Models(request))) => self.take_model_request(request),
            Signal::Observed(model, batch) => self.observed(model, batch).await?,
            Signal::Time => {}
        }
        Ok(Flow::Continue)
    }

    async fn observed(
        &mut self,
        model: usize,
        batch: Result<ChangeBatch, StoreError>,
    ) -> Result<(), SyncError> {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                self.observations[model] = None;
                if matches!(error, StoreError::CursorLost) {
                    self.state.models[model].cursor = None;
                    self.observing.lose_base(model);
                }
                return Err(error.into());
            }
        };
        self.report_overwritten(model, &batch.overwritten);
        if batch.rescan {
            self.observations[model] = None;
            self.observing.lose_base(model);
            self.state.models[model].reconciled = None;
            return Ok(());
        }
        let reported = batch.changes.len();
        let mut ids = self.pass_over_agreed(model, batch.changes).await;
        // What was overwritten is told once, also when a crash follows.
        let all_agreed = ids.is_empty() && batch.overwritten.is_empty() && self.queues.is_idle(model);
        // A cursor that moved without a change of ours is not worth a write: a resume from the old one reports nothing either.
        let cursor = batch
            .cursor
            .filter(|cursor| reported > 0 && self.state.models[model].cursor.as_ref() != Some(cursor));
        let cursor = cursor.and_then(|cursor| self.reach(model, cursor, all_agreed.then_some(reported)));
        if let Some(cursor) = cursor {
            let collection = self.model(model).collection();
            self.queues.mark(model, Mark::Cursor(collection, Some(cursor)));
        }
        if ids.len() > BATCH_ROWS_MIN {
            // Neighbours are on the same pages of the table's key, so that each transaction changes few of them.
            let mut keyed: Vec<_> = ids.into_iter().map(|id| (id.beginning(), id)).collect();
            keyed.sort_unstable();
            ids = keyed.into_iter().map(|(_, id)| id).collect();
        }
        self.queues.push(model, ids);
        Ok(())
    }

    /// Waits after a failure, longer each time.
    async fn retry(&mut self, error: &SyncError) -> Flow {
        let pause = if std::mem::take(&mut self.searching) && self.steps < BISECT_STEPS {
            self.steps += 1;
            BISECT_PAUSE
        } else {
            self.steps = 0;
            self.backoff.fail()
        };
        self.reporter.failed(error, pause);
        self.reporter.phase(Phase::Retrying);
        // Best effort: it may be the database that fails.
        if let Ok(pending) = self.repository.pending().await {
            self.reporter.pending(&pending);
        }
        self.rest(pause).await
    }

    /// Waits for a time; commands are taken meanwhile.
    async fn rest(&mut self, duration: Duration) -> Flow {
        let clock = Arc::clone(&self.setup.clock);
        let until = clock.now().after(duration);
        loop {
            self.serve().await;
            self.serve_holds().await;
            let left = until.since(clock.now());
            if left.is_zero() || self.lifecycle.has_orders() {
                return Flow::Continue;
            }
            match self.command(clock.sleep(left)).await {
                Signal::Time => return Flow::Continue,
                // Without an observation no signal here can fail.
                signal => {
                    if matches!(self.take(signal).await, Ok(Flow::Stop)) {
                        return Flow::Stop;
                    }
                }
            }
        }
    }

    /// The next command, or the end of `time`.
    async fn command(&mut self, time: crate::clock::Sleep) -> Signal {
        use futures_util::future::{Either, select};
        let received = std::pin::pin!(self.inbox.recv());
        match select(received, time).await {
            Either::Left((command, _)) => Signal::Command(command),
            Either::Right(((), _)) => Signal::Time,
        }
    }

    pub(super) fn model(&self, position: usize) -> &'static ModelDescriptor {
        self.setup.models[position]
    }

    pub(super) fn position(&self, collection: &str) -> Option<usize> {
        self.setup
            .models
            .iter()
            .position(|model| model.collection() == collection)
    }
}
