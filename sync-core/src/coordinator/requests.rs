//! What the app asks about single records: lists, explanations, and the ways out of quarantine. Served between two steps, so that one thing happens at a time.
//!
//! Not here: the app's side of it (`records`).

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{engine::Engine, records::RecordError};
use crate::{
    clock::Moment,
    explain::{ConflictReport, Explanation, HistoryEvent},
    id::DocumentId,
    quarantine::{QuarantineRecord, Release, Released},
    repository::{Repository, RowRef, Way},
    store::DocumentStore,
};

/// A question or an order about records.
pub(super) enum Request {
    Quarantine(Reply<Vec<QuarantineRecord>>),
    Conflicts(Reply<Vec<ConflictReport>>),
    Explain(RowName, Reply<Explanation>),
    Release(RowName, Release, Reply<()>),
}

impl Request {
    fn refuse(self, error: RecordError) {
        // Whoever gave up waiting needs no answer.
        match self {
            Self::Quarantine(reply) => drop(reply.send(Err(error))),
            Self::Conflicts(reply) => drop(reply.send(Err(error))),
            Self::Explain(_, reply) => drop(reply.send(Err(error))),
            Self::Release(_, _, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// A row as the app names it.
pub(super) type RowName = (String, DocumentId);
/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, RecordError>>;

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Serves what was asked. What changes something waits until no intent is in flight.
    pub(super) async fn serve(&mut self) {
        let mut waiting = VecDeque::new();
        while let Some(request) = self.requests.pop_front() {
            // Whoever gave up waiting needs no answer.
            match request {
                Request::Quarantine(reply) => {
                    let records = self.repository.quarantine().await;
                    let _ = reply.send(records.map_err(Into::into));
                }
                Request::Conflicts(reply) => {
                    let conflicts = self.repository.conflicts().await;
                    let _ = reply.send(conflicts.map_err(Into::into));
                }
                Request::Explain(row, reply) => {
                    let explanation = self.explain(row).await;
                    let _ = reply.send(explanation);
                }
                Request::Release(..) if self.state.in_flight.is_some() => waiting.push_back(request),
                Request::Release(row, release, reply) => {
                    let outcome = self.release(row, release).await;
                    let _ = reply.send(outcome);
                }
            }
        }
        self.requests = waiting;
        self.serve_models().await;
    }

    /// Answers what was asked while the database is released.
    pub(super) fn refuse_requests(&mut self) {
        for request in self.requests.drain(..) {
            request.refuse(RecordError::Paused);
        }
    }

    async fn explain(&mut self, row: RowName) -> Result<Explanation, RecordError> {
        let row = self.named(row)?;
        let mut trace = self.repository.trace(&row).await?;
        let carries = |operation: &crate::intent::Operation| {
            operation.id == row.id && operation.model.collection() == row.model.collection()
        };
        trace.in_flight = self
            .state
            .in_flight
            .as_ref()
            .filter(|intent| intent.operations.iter().any(carries))
            .map(|intent| intent.batch);
        let collection = row.model.collection();
        let mut explanation = Explanation {
            collection,
            history: self.reporter.history(collection, &row.id),
            id: row.id,
            trace,
            at_peer: false,
        };
        if let Some(batch) = explanation.last_sent() {
            // A store that does not answer now has told nobody that a peer holds it.
            explanation.at_peer = matches!(self.store.confirmed(batch).await, Ok(Some(true)));
        }
        Ok(explanation)
    }

    async fn release(&mut self, row: RowName, release: Release) -> Result<(), RecordError> {
        let row = self.named(row)?;
        let now = self.setup.clock.now();
        if matches!(release, Release::EditDocument(_)) && self.state.await_peer {
            return Err(RecordError::Refused {
                reason: "the store was replaced and has not caught up, so nothing is sent".to_owned(),
            });
        }
        if release == Release::Retry && self.suspects.contains(&row) {
            // Its trial lets it out of quarantine, alone.
            self.suspects.hurry(&row, now);
            self.reporter.note(&row, HistoryEvent::Retried);
            return Ok(());
        }
        match self.repository.release(&row, &release).await? {
            Released::NotThere => Err(RecordError::NotInQuarantine),
            Released::Refused(reason) => Err(RecordError::Refused { reason }),
            Released::Done { conflict, intent } => {
                self.state.in_flight = intent;
                self.reporter.conflicts(conflict.as_slice());
                self.released(row, &release);
                Ok(())
            }
        }
    }

    /// What was released is looked at soon, whichever way it goes.
    fn released(&mut self, row: RowRef, release: &Release) {
        let (event, changed) = match release {
            Release::Retry => (HistoryEvent::Retried, false),
            Release::EditRow(_) => (HistoryEvent::Edited, true),
            Release::EditDocument(_) => (HistoryEvent::Edited, true),
            Release::Discard(way) => (HistoryEvent::Discarded(*way), *way == Way::Outbound),
        };
        self.reporter.note(&row, event);
        self.suspects.acquit(&row);
        if matches!(release, Release::Discard(Way::Inbound)) {
            self.strays.forget(&row);
        }
        self.local = true;
        self.unpark |= changed;
        if let Some(position) = self.position(row.model.collection()) {
            let looks = self.looks_at(position) && !matches!(release, Release::EditDocument(_));
            if looks {
                self.queues.push(position, [row.id]);
            }
        }
    }

    /// What is in quarantine is tried once more: the process is new, and so may be what refused it.
    pub(super) async fn retry_quarantined(&mut self) -> Result<(), crate::repository::RepositoryError> {
        let now = self.setup.clock.now();
        for record in self.repository.quarantine().await? {
            let position = self.position(record.model.collection());
            match (record.way, record.id, position) {
                (Way::Inbound, Some(id), Some(position)) if self.looks_at(position) => {
                    self.look_again(position, id, now);
                }
                (Way::Outbound, Some(id), Some(_)) => {
                    let model = record.model;
                    self.suspects.remember(RowRef { model, id }, now);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The scope of this model is known now: its documents in quarantine are looked at, as at a start.
    pub(super) async fn retry_quarantined_of(
        &mut self,
        position: usize,
    ) -> Result<(), crate::repository::RepositoryError> {
        let collection = self.model(position).collection();
        let records = self.repository.quarantine().await?;
        let now = self.setup.clock.now();
        let inbound = records
            .into_iter()
            .filter(|record| record.way == Way::Inbound && record.model.collection() == collection);
        for id in inbound.filter_map(|record| record.id) {
            self.look_again(position, id, now);
        }
        Ok(())
    }

    /// A document in quarantine is looked at now, and from time to time if no observation would tell of it.
    fn look_again(&mut self, position: usize, id: DocumentId, now: Moment) {
        let model = self.model(position);
        let row = RowRef {
            model,
            id: id.clone(),
        };
        self.strays.remember(row, now);
        self.queues.push(position, [id]);
    }

    fn named(&self, (collection, id): RowName) -> Result<RowRef, RecordError> {
        match self.position(&collection) {
            Some(position) => Ok(RowRef {
                model: self.model(position),
                id,
            }),
            None => Err(RecordError::UnknownCollection { collection }),
        }
    }
}
