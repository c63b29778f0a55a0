//! A subscription and an observer as one value: [`DittoObservation`].
//!
//! In a small collection the engine hands over all documents at every change; in a large one that would cost a second and half a gigabyte each time, so it only
//! rings, and a sweep reads ids and chunks of documents. Either way a rest follows that is a multiple of the work, and documents that this store
//! wrote or read are looked at by their ids at once (`watch`).

mod bell;
mod look;

use std::sync::Arc;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    hash::ContentHash,
    id::DocumentId,
    query::Query,
    store::{ChangeBatch, Observation, StoreError},
};
use tokio::time::{Instant, sleep_until};

use self::{
    bell::{Bell, Subscription},
    look::Swept,
};
use super::{Inner, error::EngineError, watch::Watch, worker::Answer};
use crate::limits::{REST_FACTOR, SWEEP_AT_LEAST, SWEEP_DEBOUNCE};

const ACTION: &str = "observe a collection";

/// A running observation of a Ditto store. Dropping it cancels its subscription and its observer.
#[derive(Debug)]
pub struct DittoObservation {
    inner: Arc<Inner>,
    watch: Arc<Watch>,
    bell: Bell,
    _subscription: Subscription,
    /// A look at doubtful documents that is under way.
    look: Option<Answer<()>>,
    /// A look at all documents that is under way.
    sweep: Option<Answer<Swept>>,
    /// When the next look at all documents may begin.
    rested: Instant,
    /// When one has to, whatever the engine tells.
    overdue: Instant,
}

impl DittoObservation {
    /// Begins to observe. When this returns, everything up to now is known and everything from now on is reported.
    pub(super) async fn begin(
        inner: &Arc<Inner>,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> Result<Self, StoreError> {
        let watch = Arc::new(Watch::new(model, query.clone()));
        // First, so that no write is missed.
        inner.watches.add(&watch);
        let ditto = inner.ditto()?;
        let watched = Arc::clone(&watch);
        let begun = inner.watcher.run(ACTION, move |transactions| {
            let subscription = Subscription::to(&ditto, &watched)?;
            let whole = look::is_small(transactions, &watched)?;
            let bell = Bell::of(transactions, &watched, whole)?;
            let took = look::sweep(transactions, &watched)?;
            watched.begin_here();
            Ok((subscription, bell, took))
        });
        let (subscription, bell, took) = begun.await?;
        let now = Instant::now();
        Ok(Self {
            inner: Arc::clone(inner),
            watch,
            bell,
            _subscription: subscription,
            look: None,
            sweep: None,
            rested: now + took * REST_FACTOR,
            overdue: now + SWEEP_AT_LEAST,
        })
    }

    /// Starts the work there is to do; awaits only room for it.
    async fn start_work(&mut self) -> Result<(), StoreError> {
        if self.look.is_none() && self.watch.is_doubtful() {
            let room = self.inner.reader.room().await?;
            let (watch, ids) = (Arc::clone(&self.watch), self.watch.take_doubtful());
            self.look = Some(room.start(move |transactions| look::look_at(transactions, &watch, ids)));
        }
        if self.sweep.is_none() && self.due() <= Instant::now() {
            let room = self.inner.watcher.room().await?;
            let (watch, ringing) = (Arc::clone(&self.watch), self.bell.ringing());
            self.sweep = Some(room.start(move |transactions| look::answer(transactions, &watch, &ringing)));
        }
        Ok(())
    }

    /// When the next look at all documents is due.
    fn due(&self) -> Instant {
        let rung = match self.bell.rung() {
            None => return self.overdue,
            // The engine has done the work already: only the rest counts.
            Some(_) if self.bell.is_whole() => self.rested,
            Some(rung) => self.rested.max(Instant::from_std(rung) + SWEEP_DEBOUNCE),
        };
        rung.min(self.overdue)
    }

    fn swept(&mut self, swept: Swept) {
        let now = Instant::now();
        self.rested = now + swept.took * REST_FACTOR;
        self.overdue = now + SWEEP_AT_LEAST;
        if let Some(bell) = swept.bell {
            self.bell = bell;
        }
    }
}

impl Observation for DittoObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        loop {
            let changes = self.watch.take_changes();
            if !changes.is_empty() {
                return Ok(ChangeBatch {
                    changes,
                    ..ChangeBatch::default()
                });
            }
            if self.inner.is_closed() {
                return Err(StoreError::Closed);
            }
            self.start_work().await?;
            let due = self.due();
            tokio::select! {
                outcome = answer(&mut self.look) => outcome?,
                outcome = answer(&mut self.sweep) => self.swept(outcome?),
                () = self.watch.stirred.notified() => {}
                () = sleep_until(due), if self.sweep.is_none() => {}
            }
        }
    }

    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        self.watch.seen(ids)
    }
}

/// Waits for work that is under way; for ever where there is none. An answer that was not waited for to the end is still there.
async fn answer<T>(work: &mut Option<Answer<T>>) -> Result<T, StoreError> {
    let Some(answer) = work else {
        return std::future::pending().await;
    };
    let outcome = answer.await;
    *work = None;
    let outcome = outcome.unwrap_or(Err(EngineError::Panicked));
    outcome.map_err(|error| error.into_store_error(ACTION))
}
