//! One peer of a hub: its replica behind a lock, its faults, and who waits for its changes. See [`Peer`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{
    Flavor,
    fault::{Fault, Faults, StoreCall},
    replica::Replica,
};

/// A peer. Its replica survives a restart of the store; its observations do not.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    /// Its number in the hub, from 0.
    pub(super) index: usize,
    /// Signalled when an observation should look.
    pub(super) changed: Notify,
    state: Mutex<PeerState>,
    faults: Mutex<Faults>,
}

/// What the lock of a peer guards.
#[derive(Debug)]
pub(super) struct PeerState {
    pub(super) replica: Replica,
    /// Which opening of the store this is; observations of an earlier one are closed.
    pub(super) opening: u64,
    /// How far its wall clock is ahead.
    pub(super) skew: u64,
    pub(super) muted: bool,
    pub(super) signals: Signals,
}

/// What tests make observations do, counted, so that each observation does it once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// Report something though nothing changed.
    pub(super) spurious: u64,
    /// Ask for a scan.
    pub(super) rescan: u64,
    /// Break.
    pub(super) broken: u64,
}

impl Peer {
    pub(super) fn new(name: String, index: usize, replica: Replica) -> Self {
        let state = PeerState {
            replica,
            opening: 0,
            skew: 0,
            muted: false,
            signals: Signals::default(),
        };
        Self {
            name,
            index,
            changed: Notify::new(),
            state: Mutex::new(state),
            faults: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PeerState> {
        lock(&self.state)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// The fault a test wants of this call.
    pub(super) fn fault(&self, call: StoreCall<'_>) -> Option<Fault> {
        self.faults().of(call)
    }

    /// Lets observations look, unless notifications are dropped.
    pub(super) fn notify(&self) {
        self.changed.notify_waiters();
    }
}

impl PeerState {
    /// Whether a change made now is never to be reported. The mesh flavor loses the wake-up only: the next report holds the change, because its
    /// cursor moves past it.
    pub(super) fn silences(&self) -> bool {
        self.muted && self.replica.flavor == Flavor::Ditto
    }
}

/// A panic of a test while it holds a lock must not hide behind a second one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
