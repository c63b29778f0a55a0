//! Time that passes only when the simulation says so: [`VirtualClock`].

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use ditto_sync_core::clock::{Clock, Moment, Sleep};

/// Time that passes only when the simulation says so. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct VirtualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    sleepers: Vec<Sleeper>,
    numbers: u64,
}

#[derive(Debug)]
struct Sleeper {
    number: u64,
    until: Duration,
    waker: Option<Waker>,
}

impl VirtualClock {
    /// Lets time pass, and wakes who waited for it.
    pub(crate) fn advance(&self, time: Duration) {
        let mut state = self.lock();
        state.now += time;
        let now = state.now;
        for sleeper in &mut state.sleepers {
            if sleeper.until <= now
                && let Some(waker) = sleeper.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Until the first sleeper wakes.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let state = self.lock();
        let first = state.sleepers.iter().map(|sleeper| sleeper.until).min();
        first.map(|until| until.saturating_sub(state.now))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        Moment(self.lock().now)
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.lock().now
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut state = self.lock();
        state.numbers += 1;
        let (number, until) = (state.numbers, state.now + duration);
        state.sleepers.push(Sleeper {
            number,
            until,
            waker: None,
        });
        drop(state);
        Box::pin(Sleeping {
            clock: self.clone(),
            number,
        })
    }
}

struct Sleeping {
    clock: VirtualClock,
    number: u64,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        let now = state.now;
        let mine = state
            .sleepers
            .iter_mut()
            .find(|sleeper| sleeper.number == self.number);
        match mine {
            Some(sleeper) if sleeper.until > now => {
                sleeper.waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let number = self.number;
        self.clock
            .lock()
            .sleepers
            .retain(|sleeper| sleeper.number != number);
    }
}
