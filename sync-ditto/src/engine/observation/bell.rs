//! What the engine tells of a collection: [`Bell`]; and what it fetches from peers: [`Subscription`]. Dropping either does not end it in the
//! engine, so both are guards.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use dittolive_ditto::{
    Ditto,
    dql::QueryResult,
    store::{SignalNext, StoreObserver},
    sync::SyncSubscription,
};

use crate::{
    engine::{error::EngineError, transaction::Transactions, watch::Watch},
    statement::{count, select_all},
};

/// What peers hold of the documents of a query comes here while this lives.
pub(super) struct Subscription(Arc<SyncSubscription>);

impl Subscription {
    pub(super) fn to(ditto: &Ditto, watch: &Watch) -> Result<Self, EngineError> {
        let statement = select_all(watch.model.collection(), &watch.query)?;
        let subscription = ditto
            .sync()
            .register_subscription((statement.text, statement.arguments))?;
        Ok(Self(subscription))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// An observer of the engine. It hands over one result and waits until that was answered; changes meanwhile make one more.
pub(super) struct Bell {
    observer: Arc<StoreObserver>,
    ringing: Ringing,
    whole: bool,
}

/// Where the observer leaves its result.
#[derive(Clone, Default)]
pub(super) struct Ringing(Arc<Mutex<Option<Ring>>>);

/// A result that was not answered yet.
pub(super) struct Ring {
    at: Instant,
    /// All documents, from an observer of a small collection.
    pub(super) snapshot: Option<QueryResult>,
    pub(super) signal_next: Box<dyn SignalNext>,
}

impl Bell {
    /// Observes all documents, or only that something changed.
    ///
    /// The callback runs on a thread of the engine, where a panic would end the process and waiting would delay all other observers: it only moves
    /// what it was given.
    pub(super) fn of(
        transactions: &Transactions,
        watch: &Arc<Watch>,
        whole: bool,
    ) -> Result<Self, EngineError> {
        let ringing = Ringing::default();
        let (slot, watched) = (ringing.clone(), Arc::clone(watch));
        let callback = move |result: QueryResult, signal_next: Box<dyn SignalNext>| {
            let ring = Ring {
                at: Instant::now(),
                snapshot: whole.then_some(result),
                signal_next,
            };
            *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring);
            watched.stirred.notify_one();
        };
        let store = transactions.store();
        let observer = if whole {
            let statement = select_all(watch.model.collection(), &watch.query)?;
            store.register_observer_with_signal_next((statement.text, statement.arguments), callback)?
        } else {
            store.register_observer_with_signal_next(count(watch.model.collection()), callback)?
        };
        Ok(Self {
            observer,
            ringing,
            whole,
        })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Since when it rings.
    pub(super) fn rung(&self) -> Option<Instant> {
        let slot = self.ringing.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().map(|ring| ring.at)
    }

    pub(super) fn ringing(&self) -> Ringing {
        self.ringing.clone()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.observer.cancel();
    }
}

impl Ringing {
    pub(super) fn take(&self) -> Option<Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell")
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}
