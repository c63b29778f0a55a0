//! How a call of the contract becomes a transaction that may fail, or be the last thing its process does.

use std::{future::poll_fn, task::Poll};

use ditto_sync_core::repository::RepositoryError;

use super::{MemoryRepository, State};

/// What goes wrong with a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails with a transient error, and nothing of it happened.
    Fail,
    /// The process dies before the commit: every further call fails until [`MemoryRepository::restart`].
    CrashBeforeCommit,
    /// The process dies between the commit and the answer.
    CrashAfterCommit,
}

/// The faults to come, by the number of the transaction they hit.
#[derive(Debug, Default)]
pub(super) struct Faults {
    transactions: u64,
    planned: Vec<(u64, Fault)>,
}

impl Faults {
    fn next(&mut self) -> Option<Fault> {
        self.transactions += 1;
        let now = self.transactions;
        let hit = self.planned.iter().position(|(at, _)| *at == now)?;
        Some(self.planned.swap_remove(hit).1)
    }
}

impl MemoryRepository {
    /// Lets the `nth` transaction from now go wrong; 1 is the next one. A call of the contract is one transaction, except that an apply has
    /// one for each slice.
    pub fn inject(&self, nth: u64, fault: Fault) {
        let mut state = self.lock();
        let at = state.faults.transactions + nth.max(1);
        state.faults.planned.push((at, fault));
    }

    /// How many transactions were begun by calls of the contract, reading ones too: the points at which a crash can be injected.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.lock().faults.transactions
    }

    /// How many transactions of the contract have written something. It stands still while the mirror is silent.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Takes the coordinator's lock.
    pub(super) fn open(&self) -> Result<(), RepositoryError> {
        let mut state = self.lock();
        if self.connection < state.first_live {
            return Err(RepositoryError::Closed);
        }
        if state.owner.is_some() {
            return Err(RepositoryError::InUse {
                path: "memory".to_owned(),
            });
        }
        state.owner = Some(self.connection);
        Ok(())
    }

    /// One transaction. It can be cancelled before it and after it, never within.
    pub(super) async fn transaction<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut State) -> (T, bool),
    ) -> Result<T, RepositoryError> {
        pause().await;
        let result = self.commit(action, work);
        self.shared.touched.notify_waiters();
        pause().await;
        result
    }

    fn commit<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut State) -> (T, bool),
    ) -> Result<T, RepositoryError> {
        let mut state = self.lock();
        if state.owner != Some(self.connection) {
            return Err(RepositoryError::Closed);
        }
        let fault = state.faults.next();
        if fault == Some(Fault::Fail) {
            return Err(RepositoryError::Failed {
                action,
                source: "the fault that the test injected".into(),
            });
        }
        if fault == Some(Fault::CrashBeforeCommit) {
            state.die(self.connection);
            return Err(RepositoryError::Closed);
        }
        let (value, wrote) = work(&mut state);
        state.writes += u64::from(wrote);
        if fault == Some(Fault::CrashAfterCommit) {
            state.die(self.connection);
            return Err(RepositoryError::Closed);
        }
        Ok(value)
    }
}

impl State {
    fn die(&mut self, connection: u64) {
        self.first_live = connection + 1;
        self.owner = None;
    }
}

/// Gives the executor a point at which it may run something else, or drop the call.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
