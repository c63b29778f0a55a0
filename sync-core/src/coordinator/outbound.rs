//! The way out: drafts an intent from dirty rows, writes it to the store, and acknowledges it or meets what refused it.

use super::{SyncError, engine::Engine};
use crate::{
    error::ErrorKind,
    intent::{Action, Intent, Operation},
    limits::{ATTEMPTS_BEFORE_BISECT, REFUSALS_BEFORE_SINGLE},
    repository::{DraftRequest, Quarantined, Repository, Way},
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
        if !self.local || self.state.await_peer {
            return Ok(false);
        }
        let request = DraftRequest {
            operations_max: self.send_limit.min(self.outbound_batching.rows()),
            seed: self.reconciled && self.setup.config.seeds(),
            scopes: &self.setup.scopes,
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
        self.state.in_flight = Some(intent);
        self.settle().await?;
        Ok(true)
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
        self.repository.acknowledge(intent, &self.setup.scopes).await?;
        self.state.acknowledged = Some(intent.batch.sequence);
        // A row of the app's own may be the one that a parked document waits for.
        self.unpark |= intent
            .operations
            .iter()
            .any(|operation| matches!(operation.action, Action::Insert(_)));
        self.refusals = 0;
        self.send_limit = (self.send_limit * 2).min(self.store.capabilities().intent_operations_max);
        self.reporter.sent(intent);
        Ok(Settled::Done)
    }

    /// Refused as a whole: the rows that are not what we thought are met first, then a new intent follows.
    async fn meet_stale(&mut self, intent: &Intent, stale: Vec<StaleId>) -> Result<Settled, SyncError> {
        self.repository.discard(intent, &[]).await?;
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
        Ok(Settled::Done)
    }

    /// Whether the intent was applied is open. It is written again, unless it has failed often: then it is halved, so that one poisonous record is
    /// found and holds the others no longer.
    async fn fail(&mut self, intent: &Intent, error: StoreError) -> Result<Settled, SyncError> {
        let permanent = error.kind() == ErrorKind::Permanent && !matches!(error, StoreError::Closed);
        let count = intent.operations.len();
        if !permanent && (count == 1 || self.backoff.attempts() < ATTEMPTS_BEFORE_BISECT) {
            return Err(error.into());
        }
        let identity = self.store.identity(intent.batch.replica).await?;
        if identity.last_applied == Some(intent.batch.sequence) {
            return self.acknowledge(intent).await;
        }
        let mut quarantined = Vec::new();
        if count == 1 {
            quarantined.extend(
                intent
                    .operations
                    .iter()
                    .map(|operation| quarantine(operation, super::reporter::chain(&error))),
            );
        } else {
            self.send_limit = count / 2;
        }
        self.repository.discard(intent, &quarantined).await?;
        self.reporter.quarantined(&quarantined);
        Ok(if count == 1 {
            Settled::Done
        } else {
            Settled::Failed(error.into())
        })
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
