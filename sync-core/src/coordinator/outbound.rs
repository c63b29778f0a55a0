//! The way out: drafts an intent from dirty rows, writes it to the store, and acknowledges it or meets what refused it.

use super::{SyncError, engine::Engine};
use crate::{
    error::ErrorKind,
    explain::HistoryEvent,
    intent::{Action, Intent, Operation},
    limits::{ATTEMPTS_BEFORE_BISECT, REFUSALS_BEFORE_SINGLE},
    quarantine::{Release, Released},
    repository::{DraftRequest, DraftRows, Quarantined, Repository, RowRef, Way},
    rules::{Rule, off},
    store::{DocumentStore, Rejection, StaleId, StoreError, WriteOutcome},
};

/// How settling an intent ended, when it is no longer in flight.
enum Settled {
    /// It was applied or refused.
    Done,
    /// It was given up in this form: a smaller one follows, after a pause.
    Failed(SyncError),
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Drafts and sends one intent, if a local change may be waiting. Whether there was one.
    #[tracing::instrument(skip_all, level = "debug")]
    pub(super) async fn send(&mut self) -> Result<bool, SyncError> {
        if self.state.await_peer {
            return Ok(false);
        }
        if let Some(row) = self.looks.pop_front() {
            if self.suspects.contains(&row) {
                self.try_alone(&row).await?;
            }
            return Ok(true);
        }
        if let Some((row, held)) = self.suspects.due(self.setup.clock.now()) {
            let out = !held
                || matches!(
                    self.repository.release(&row, &Release::Retry).await?,
                    Released::Done { .. }
                );
            if !out || !self.try_alone(&row).await? {
                self.suspects.acquit(&row);
            }
            return Ok(true);
        }
        if !self.local {
            return Ok(false);
        }
        let apart = self.holds.apart_with(self.suspects.apart());
        let request = DraftRequest {
            operations_max: self.send_limit.min(self.outbound_batching.rows()),
            seed: self.reconciled && self.setup.config.seeds(),
            scopes: &self.setup.scopes,
            rows: DraftRows::Except(&apart),
        };
        let started = self.setup.clock.now();
        let draft = self.repository.draft(request).await?;
        let rows = draft.intent.as_ref().map_or(0, |intent| intent.operations.len());
        self.outbound_batching
            .record(rows, self.setup.clock.now().since(started));
        self.reporter.quarantined(&draft.quarantined);
        let Some(intent) = draft.intent else {
            self.local = draft.more;
            return Ok(draft.more);
        };
        self.dispatch(intent).await?;
        Ok(true)
    }

    /// A trial: sends this row and nothing else. Whether there was something to send, or may be.
    async fn try_alone(&mut self, row: &RowRef) -> Result<bool, SyncError> {
        let request = DraftRequest {
            operations_max: 1,
            seed: self.reconciled && self.setup.config.seeds(),
            scopes: &self.setup.scopes,
            rows: DraftRows::Only(row),
        };
        let draft = self.repository.draft(request).await?;
        self.reporter.quarantined(&draft.quarantined);
        let Some(intent) = draft.intent else {
            return Ok(draft.more);
        };
        self.dispatch(intent).await?;
        Ok(true)
    }

    async fn dispatch(&mut self, intent: Intent) -> Result<(), SyncError> {
        self.reporter
            .note_intent(&intent, &HistoryEvent::Drafted(intent.batch));
        self.state.in_flight = Some(intent);
        self.settle().await
    }

    /// Writes the intent in flight, again if need be, and records the outcome.
    #[tracing::instrument(skip_all, level = "debug")]
    pub(super) async fn settle(&mut self) -> Result<(), SyncError> {
        let Some(intent) = self.state.in_flight.take() else {
            return Ok(());
        };
        let outcome = match self.store.write(&intent).await {
            Ok(WriteOutcome::Applied) => self.acknowledge(&intent).await,
            Ok(WriteOutcome::Stale(stale)) => self.meet_stale(&intent, stale).await,
            Err(StoreError::Rejected(rejections)) => self.set_aside(&intent, &rejections).await,
            Err(error) => self.fail(&intent, error).await,
        };
        match outcome {
            Ok(Settled::Done) => Ok(()),
            Ok(Settled::Failed(error)) => Err(error),
            Err(error) => {
                self.state.in_flight = Some(intent);
                Err(error)
            }
        }
    }

    async fn acknowledge(&mut self, intent: &Intent) -> Result<Settled, SyncError> {
        let read_back = match off(Rule::SentHash) {
            true => Some(self.read_back(intent).await?),
            false => None,
        };
        let intent = read_back.as_ref().unwrap_or(intent);
        let acknowledged = self.repository.acknowledge(intent, &self.setup.scopes).await?;
        // A row that could not leave the scope before its children can now.
        self.unpark |= acknowledged.left_scope > 0;
        self.state.acknowledged = Some(intent.batch.sequence);
        // A row of the app's own may be the one that a parked document waits for.
        self.unpark |= intent
            .operations
            .iter()
            .any(|operation| matches!(operation.action, Action::Insert(_)));
        self.refusals = 0;
        self.steps = 0;
        self.acquit(intent);
        self.send_limit = (self.send_limit * 2).min(self.store.capabilities().intent_operations_max);
        self.reporter.sent(intent);
        Ok(Settled::Done)
    }

    /// The store takes writes: who was accepted is innocent, and who was set aside gets a trial.
    fn acquit(&mut self, intent: &Intent) {
        if !self.suspects.watches() {
            return;
        }
        for operation in &intent.operations {
            self.suspects.acquit(&row_of(operation));
        }
        self.suspects.store_answers(self.setup.clock.now());
    }

    /// The intent as a coordinator would record it that trusts what it reads after a write: only without a rule.
    async fn read_back(&mut self, intent: &Intent) -> Result<Intent, SyncError> {
        let mut intent = intent.clone();
        for operation in &mut intent.operations {
            let ids = std::slice::from_ref(&operation.id);
            let found = self.store.fetch(operation.model, ids).await?;
            let hash = operation.model.hash_of(found[0].as_ref()).ok().flatten();
            operation.record.sent = operation.record.sent.and(hash);
        }
        Ok(intent)
    }

    /// Refused as a whole: the rows that are not what we thought are met first, then a new intent follows.
    async fn meet_stale(&mut self, intent: &Intent, stale: Vec<StaleId>) -> Result<Settled, SyncError> {
        if off(Rule::AtomicStale) {
            self.repository.acknowledge(intent, &self.setup.scopes).await?;
        } else {
            self.repository.discard(intent, &[]).await?;
        }
        self.reporter
            .note_intent(intent, &HistoryEvent::Stale(intent.batch));
        self.refusals += 1;
        if self.refusals >= REFUSALS_BEFORE_SINGLE {
            self.send_limit = 1;
        }
        for StaleId { collection, id } in stale {
            if let Some(position) = self.position(collection) {
                self.queues.push_front(position, id);
            }
        }
        Ok(Settled::Done)
    }

    /// The store will never take these: they go into quarantine, the others out again.
    async fn set_aside(&mut self, intent: &Intent, rejections: &[Rejection]) -> Result<Settled, SyncError> {
        let quarantined: Vec<_> = intent
            .operations
            .iter()
            .filter_map(|operation| {
                rejections
                    .iter()
                    .find(|rejection| concerns(rejection, operation))
                    .map(|found| (operation, found))
            })
            .map(|(operation, rejection)| quarantine(operation, rejection.reason.clone()))
            .collect();
        self.repository.discard(intent, &quarantined).await?;
        self.reporter.quarantined(&quarantined);
        for rejected in &quarantined {
            // The store has said why: no trials by themselves.
            if let Some(id) = rejected.id.clone() {
                let model = rejected.model;
                self.suspects.acquit(&RowRef { model, id });
            }
        }
        Ok(Settled::Done)
    }

    /// Whether the intent was applied is open. It is written again, unless it has failed often: then it is halved, so that one poisonous record is
    /// found and holds the others no longer.
    async fn fail(&mut self, intent: &Intent, error: StoreError) -> Result<Settled, SyncError> {
        if matches!(error, StoreError::Closed | StoreError::Detached) {
            return Err(error.into());
        }
        let permanent = error.kind() == ErrorKind::Permanent;
        let alone = match intent.operations.as_slice() {
            [operation] => Some(row_of(operation)),
            _ => None,
        };
        let on_trial = alone.as_ref().is_some_and(|row| self.suspects.contains(row));
        if !permanent && !on_trial && self.backoff.attempts() < ATTEMPTS_BEFORE_BISECT {
            return Err(error.into());
        }
        let identity = self.store.identity(intent.batch.replica).await?;
        if identity.last_applied == Some(intent.batch.sequence) {
            return self.acknowledge(intent).await;
        }
        match alone {
            Some(row) if permanent || self.suspects.is_proven(&row) => {
                self.convict(intent, &row, &error).await
            }
            Some(row) => self.accuse(intent, (row, on_trial), error).await,
            None => {
                self.repository.discard(intent, &[]).await?;
                self.send_limit = intent.operations.len() / 2;
                self.suspects.batch_failed(intent.operations.iter().map(row_of));
                self.searching = true;
                Ok(Settled::Failed(error.into()))
            }
        }
    }

    /// The store takes other rows and not this one, or says that it never will: quarantine.
    async fn convict(
        &mut self,
        intent: &Intent,
        row: &RowRef,
        error: &StoreError,
    ) -> Result<Settled, SyncError> {
        let reason = super::reporter::chain(error);
        let quarantined: Vec<_> = intent
            .operations
            .iter()
            .map(|operation| quarantine(operation, reason.clone()))
            .collect();
        self.repository.discard(intent, &quarantined).await?;
        self.reporter.quarantined(&quarantined);
        self.suspects.convict(row, self.setup.clock.now());
        Ok(Settled::Done)
    }

    /// It is this row, or the store takes no write at all. Others are tried before anyone is blamed.
    async fn accuse(
        &mut self,
        intent: &Intent,
        (row, on_trial): (RowRef, bool),
        error: StoreError,
    ) -> Result<Settled, SyncError> {
        self.repository.discard(intent, &[]).await?;
        let now = self.setup.clock.now();
        if on_trial {
            // Its next trial is set; nobody else has to wait for that.
            self.suspects.accuse(row, now);
            return Ok(Settled::Done);
        }
        let event = HistoryEvent::SetAside(super::reporter::chain(&error).into());
        self.reporter.note(&row, event);
        self.searching = self.suspects.accuse(row, now);
        self.local = true;
        Ok(Settled::Failed(error.into()))
    }
}

fn row_of(operation: &Operation) -> RowRef {
    RowRef {
        model: operation.model,
        id: operation.id.clone(),
    }
}

fn concerns(rejection: &Rejection, operation: &Operation) -> bool {
    rejection.collection == operation.model.collection() && rejection.id == operation.id
}

fn quarantine(operation: &Operation, reason: String) -> Quarantined {
    Quarantined {
        model: operation.model,
        id: Some(operation.id.clone()),
        way: Way::Outbound,
        reason,
    }
}
