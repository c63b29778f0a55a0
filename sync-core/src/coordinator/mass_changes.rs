//! What becomes of mass changes from the store: they are taken out of what came in, shown, and approved or rejected.
//!
//! Not here: the limit (`breaker`), and which changes are held (`holds`).

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

pub use super::holds::HeldChange;
use super::{
    SyncError, SyncHandle,
    engine::Engine,
    handle::Command,
    holds::{Holds, Sight},
    queue::Chunk,
};
use crate::{
    breaker::Burst,
    hash::IdHash,
    limits::REJECT_ROWS,
    repository::{InboundItem, Incoming, Mark, Repository, RowRef},
    store::DocumentStore,
};

/// What was asked about changes that are held.
pub(super) enum HoldRequest {
    List(oneshot::Sender<Result<Vec<HeldChange>, HoldError>>),
    Approve(String, Answer),
    Reject(String, Answer),
}

type Answer = oneshot::Sender<Result<u64, HoldError>>;

/// Why held changes could not be decided about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// No model has this collection.
    #[error("no registered model has the collection `{collection}`")]
    UnknownCollection {
        /// What was asked for.
        collection: String,
    },
    /// Nothing of it is held.
    #[error("no changes of `{collection}` are held")]
    NothingHeld {
        /// What was asked for.
        collection: String,
    },
    /// It cannot be done now, or not on this device.
    #[error("the changes of `{collection}` cannot be decided about: {reason}")]
    Refused {
        /// What was asked for.
        collection: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The store or the database failed. What was done until then stays done, the rest stays held.
    #[error("the decision could not be carried out")]
    Failed(#[from] SyncError),
    /// The coordinator is paused.
    #[error("the coordinator is paused; resume it first")]
    Paused,
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

impl SyncHandle {
    /// The changes from the store that are too many to be applied unasked, by collection. See
    /// [`MassChangeLimit`](crate::breaker::MassChangeLimit). Without a store, this and the decisions wait for one.
    ///
    /// # Errors
    /// When the coordinator is paused or has stopped.
    pub async fn held_changes(&self) -> Result<Vec<HeldChange>, HoldError> {
        let (reply, answer) = oneshot::channel();
        self.ask_holds(HoldRequest::List(reply)).await?;
        answer.await.map_err(|_| HoldError::Stopped)?
    }

    /// Lets the held changes of a collection in; how many. They are applied right after; more that follow are counted anew. Unsent local changes of these rows meet
    /// them as any document: delete wins, and what is lost is reported.
    ///
    /// An approval that a crash keeps from being carried out is asked for again.
    ///
    /// # Errors
    /// When nothing of it is held, the database failed, the coordinator is paused or has stopped.
    pub async fn approve_mass_change(&self, collection: &str) -> Result<u64, HoldError> {
        let (reply, answer) = oneshot::channel();
        self.ask_holds(HoldRequest::Approve(collection.to_owned(), reply))
            .await?;
        answer.await.map_err(|_| HoldError::Stopped)?
    }

    /// Has the rows of this device win over the held changes of a collection; how many. Deleted documents are inserted again (their counters start anew with what the rows
    /// hold), overwritten ones get this device's values back, and all peers with them. Unsent local changes of these rows are part of that. It is durable on return.
    ///
    /// What was applied before the limit was passed is not among them, nor what cascaded from it.
    ///
    /// # Errors
    /// [`HoldError::Refused`] for a model that only receives; when nothing of it is held, store or database failed (the hold goes on then), the
    /// coordinator is paused or has stopped.
    pub async fn reject_mass_change(&self, collection: &str) -> Result<u64, HoldError> {
        let (reply, answer) = oneshot::channel();
        self.ask_holds(HoldRequest::Reject(collection.to_owned(), reply))
            .await?;
        answer.await.map_err(|_| HoldError::Stopped)?
    }

    async fn ask_holds(&self, request: HoldRequest) -> Result<(), HoldError> {
        self.command(Command::Holds(request))
            .await
            .map_err(|()| HoldError::Stopped)
    }
}

/// What a batch carries through, and what is to be remembered once it is applied.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// To be set with it.
    pub(super) marks: Vec<Mark>,
    passed: Vec<(usize, IdHash)>,
    released: Vec<usize>,
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Starts with the holds that are on record. Their changes are not, so these models are compared again.
    pub(super) fn restore_holds(&mut self) {
        let bursts = self.state.models.iter().map(|model| model.burst.as_ref());
        self.holds = Holds::new(&self.setup.models, &self.setup.config, bursts);
        for (at, model) in self.state.models.iter_mut().enumerate() {
            if self.holds.is_held(at) {
                model.reconciled = None;
            }
        }
    }

    /// Takes out of `items` what has to wait. Changes nothing that may not be done again: the batch may fail.
    pub(super) async fn screen(
        &mut self,
        items: Vec<InboundItem>,
        marks: &[Mark],
    ) -> Result<(Vec<InboundItem>, Passage), SyncError> {
        let asked = |item: &InboundItem| {
            let model = self.position(item.model.collection());
            model.is_some_and(|model| self.holds.asks_about(model, item))
        };
        let mut passage = Passage::default();
        if self.holds.is_quiet() && !items.iter().any(asked) {
            passage.marks = marks.to_vec();
            return Ok((items, passage));
        }
        let mut through = Vec::with_capacity(items.len());
        let mut bursts = Vec::new();
        let mut items = items.into_iter().peekable();
        while let Some(first) = items.next() {
            let Some(model) = self.position(first.model.collection()) else {
                continue;
            };
            let mut of_model = vec![first];
            let same = |item: &InboundItem| item.model.collection() == self.model(model).collection();
            while let Some(item) = items.next_if(same) {
                of_model.push(item);
            }
            let burst = self
                .screen_model(model, of_model, (&mut through, &mut passage))
                .await?;
            bursts.extend(burst.map(|burst| Mark::Burst(self.model(model).collection(), Some(burst))));
            self.reporter
                .held(self.model(model).collection(), self.holds.count(model));
        }
        (passage.marks, passage.released) = self.holds.marks(marks, &passage.passed);
        self.arrive_with_holds(marks);
        passage.marks.append(&mut bursts);
        Ok((through, passage))
    }

    /// A collection that has been compared completely is done with changing over, whatever is held of it: others wait for their turn.
    fn arrive_with_holds(&mut self, marks: &[Mark]) {
        for mark in marks {
            if let Mark::Reconciled(collection, Some(_)) = mark
                && let Some(model) = self.position(collection)
                && self.holds.is_held(model)
            {
                self.arrived(model);
            }
        }
    }

    /// The part of one model; the burst to be recorded with it.
    async fn screen_model(
        &mut self,
        model: usize,
        items: Vec<InboundItem>,
        (through, passage): (&mut Vec<InboundItem>, &mut Passage),
    ) -> Result<Option<Burst>, SyncError> {
        let mut sight = self.sight(model, &items).await?;
        let recorded = self.state.models[model].burst.clone();
        let wall = self.setup.clock.wall();
        let burst = self.holds.burst_at(model, recorded.as_ref(), wall).cloned();
        let now = self.setup.clock.now();
        let (waits, tripped) = self.holds.judge(model, &mut sight, (burst.as_ref(), now));
        let mut counted = burst.clone().unwrap_or_else(|| Burst::new(wall));
        for item in items {
            let key = IdHash::of(&item.id);
            if let Some(effect) = sight.effects.get(&key).copied() {
                if waits {
                    let id = item.id.clone();
                    if self.holds.hold(model, item.id, effect) {
                        // Its trials would all be refused.
                        let model = item.model;
                        self.suspects.acquit(&RowRef { model, id });
                    }
                    continue;
                }
                counted.count(effect);
            } else if let Some(effect) = self.holds.passes(model, key) {
                passage.passed.push((model, key));
                if let Some(effect) = effect.filter(|_| !matches!(item.incoming, Incoming::Unreadable { .. }))
                {
                    counted.count(effect);
                }
            }
            self.holds.let_go(model, key);
            through.push(item);
        }
        counted.held = self.holds.is_held(model);
        if tripped {
            self.reporter.mass_change(&self.holds.describe(model));
        }
        let changed = counted != burst.unwrap_or_else(|| Burst::new(wall));
        Ok((changed && Some(&counted) != recorded.as_ref()).then_some(counted))
    }

    /// What of these documents would change rows, as far as it matters.
    async fn sight(&mut self, model: usize, items: &[InboundItem]) -> Result<Sight, SyncError> {
        let asked: Vec<_> = items
            .iter()
            .filter(|item| self.holds.asks_about(model, item))
            .collect();
        if asked.is_empty() {
            return Ok(Sight::default());
        }
        let weighed = self.repository.weigh(self.model(model), &asked).await?;
        let ids = asked.iter().map(|item| IdHash::of(&item.id));
        Ok(Sight {
            rows: weighed.rows,
            effects: ids.zip(weighed.effects).collect::<HashMap<_, _>>(),
        })
    }

    /// The batch is applied.
    pub(super) fn passed(&mut self, passage: &Passage) {
        self.holds.applied(&passage.passed, &passage.released);
    }

    /// What was gathered and stayed below the limit goes in.
    pub(super) fn end_gathering(&mut self) {
        for model in self.holds.gathered(self.setup.clock.now()) {
            let ids = self.holds.let_through(model, true);
            self.let_in(model, ids);
        }
    }

    fn let_in(&mut self, model: usize, ids: Vec<crate::id::DocumentId>) {
        self.queues.push(model, ids);
        // Their rows may be sent again.
        self.local = true;
        self.reporter
            .held(self.model(model).collection(), self.holds.count(model));
    }

    /// Nothing is left to look at: holds that hold nothing any more end, and marks that were withheld can be set. Whether there is work because of that.
    pub(super) fn end_empty_holds(&mut self) -> bool {
        if self.holds.is_quiet() || self.state.await_peer {
            return false;
        }
        for model in 0..self.setup.models.len() {
            if !self.looks_at(model) && self.model(model).direction().receives() {
                // What is held of it is seen once its scope is known.
                continue;
            }
            if self.holds.is_over(model) {
                self.holds.open(model);
                let collection = self.model(model).collection();
                self.queues.mark(model, Mark::Burst(collection, None));
            }
            for mark in self.holds.take_marks(model) {
                self.queues.mark(model, mark);
            }
        }
        !self.queues.is_empty()
    }

    /// Nothing is known, and nothing can be decided, while the database is not ours.
    pub(super) fn refuse_hold_requests(&mut self) {
        for request in self.hold_requests.drain(..) {
            // Whoever gave up waiting needs no answer.
            match request {
                HoldRequest::List(reply) => {
                    let _ = reply.send(Err(HoldError::Paused));
                }
                HoldRequest::Approve(_, reply) | HoldRequest::Reject(_, reply) => {
                    let _ = reply.send(Err(HoldError::Paused));
                }
            }
        }
    }

    /// Serves what was asked. A rejection waits until no intent is in flight.
    pub(super) async fn serve_holds(&mut self) {
        let mut waiting = VecDeque::new();
        while let Some(request) = self.hold_requests.pop_front() {
            // Whoever gave up waiting needs no answer.
            match request {
                HoldRequest::List(reply) => {
                    let models = 0..self.setup.models.len();
                    let held = models.filter(|&model| self.holds.is_held(model));
                    let _ = reply.send(Ok(held.map(|model| self.holds.describe(model)).collect()));
                }
                HoldRequest::Reject(..) if self.state.in_flight.is_some() => waiting.push_back(request),
                HoldRequest::Approve(collection, reply) => {
                    let outcome = self.approve(collection).await;
                    let _ = reply.send(outcome);
                }
                HoldRequest::Reject(collection, reply) => {
                    let outcome = self.reject(collection).await;
                    let _ = reply.send(outcome);
                }
            }
        }
        self.hold_requests = waiting;
    }

    async fn approve(&mut self, collection: String) -> Result<u64, HoldError> {
        let model = self.held_model(collection)?;
        self.end_hold_on_record(model).await?;
        let ids = self.holds.let_through(model, false);
        let count = ids.len() as u64;
        tracing::info!(
            collection = self.model(model).collection(),
            count,
            "a mass change was approved"
        );
        self.let_in(model, ids);
        Ok(count)
    }

    /// Page by page, each one transaction; the hold is on record until the last.
    async fn reject(&mut self, collection: String) -> Result<u64, HoldError> {
        let model = self.held_model(collection.clone())?;
        let refused = |reason| HoldError::Refused {
            collection: collection.clone(),
            reason,
        };
        if !self.model(model).direction().sends() {
            return Err(refused(
                "the model only receives, so its rows cannot win; approve them, or bring the documents back on a device that sends",
            ));
        }
        if self.state.await_peer {
            return Err(refused(
                "the store was replaced and has not caught up; try again when it has",
            ));
        }
        let mut count = 0;
        loop {
            let ids = self.holds.some_of(model, REJECT_ROWS);
            let last = ids.len() as u64 == self.holds.count(model);
            let chunk = Chunk {
                ids: vec![(model, ids)],
                marks: Vec::new(),
            };
            let items = self.fetch(&chunk).await?;
            let marks = [Mark::Burst(self.model(model).collection(), None)];
            let marks = if last { &marks[..] } else { &[] };
            let rows = self
                .repository
                .reject(&items, marks)
                .await
                .map_err(SyncError::from)?;
            self.remember(marks);
            count += rows.len() as u64;
            for (model, ids) in chunk.ids {
                for id in &ids {
                    self.holds.let_go(model, IdHash::of(id));
                }
                // Those that were no longer what was held are looked at.
                self.let_in(model, ids);
            }
            if last {
                break;
            }
        }
        self.holds.open(model);
        tracing::info!(collection, count, "a mass change was rejected");
        Ok(count)
    }

    fn held_model(&self, collection: String) -> Result<usize, HoldError> {
        match self.position(&collection) {
            None => Err(HoldError::UnknownCollection { collection }),
            Some(model) if !self.looks_at(model) => Err(HoldError::Refused {
                collection,
                reason: "its scope waits for a value of the context",
            }),
            Some(model) if self.holds.is_held(model) => Ok(model),
            Some(_) => Err(HoldError::NothingHeld { collection }),
        }
    }

    async fn end_hold_on_record(&mut self, model: usize) -> Result<(), SyncError> {
        let marks = [Mark::Burst(self.model(model).collection(), None)];
        self.repository.mark(&marks).await?;
        self.remember(&marks);
        Ok(())
    }
}
