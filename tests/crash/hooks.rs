//! Places where a device may crash, counted: [`Hooks`].

use std::{
    cell::RefCell,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use tokio::sync::Notify;

thread_local! {
    /// Where devices have crashed, for the message of a schedule that failed. A schedule runs on one thread.
    static PLACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Where devices have crashed since this was last asked.
pub(crate) fn take_places() -> Vec<String> {
    PLACES.take()
}

/// Waits inside one call that are counted; a call of many statements would drown all others.
const WAITS_MAX: u32 = 6;

/// Counts every side of every call of a coordinator: before it, at each wait inside, and after it returned but before the coordinator has seen the answer.
/// At the chosen count the call stands still for ever, and [`crashed`](Self::crashed) returns, so that the coordinator can be dropped at exactly this await.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    target: u64,
    seen: AtomicU64,
    crashed: Notify,
}

impl Hooks {
    /// Crashes at hook number `target`, from 1.
    pub(crate) fn at(target: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                target,
                seen: AtomicU64::new(0),
                crashed: Notify::new(),
            }),
        }
    }

    /// Never crashes.
    pub(crate) fn never() -> Self {
        Self::at(0)
    }

    /// Returns once the hook has been reached.
    pub(crate) async fn crashed(&self) {
        self.inner.crashed.notified().await;
    }

    /// Carries out a call whose every side is a hook.
    pub(crate) async fn around<T>(&self, name: &str, call: impl Future<Output = T>) -> T {
        self.side(name, "before").await;
        let answer = self.inside(name, call).await;
        self.side(name, "after").await;
        answer
    }

    /// One side of a call. Does not wait, unless it is the one.
    pub(crate) async fn side(&self, name: &str, side: &str) {
        if self.is_the_one(name, side) {
            pending::<()>().await;
        }
    }

    async fn inside<T>(&self, name: &str, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let (mut waits, mut dead) = (0, false);
        poll_fn(|context| {
            if dead {
                return Poll::Pending;
            }
            let polled = call.as_mut().poll(context);
            if polled.is_pending() && waits < WAITS_MAX {
                waits += 1;
                dead = self.is_the_one(name, "inside");
            }
            polled
        })
        .await
    }

    fn is_the_one(&self, name: &str, side: &str) -> bool {
        let number = self.inner.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if number != self.inner.target {
            return false;
        }
        PLACES.with_borrow_mut(|places| places.push(format!("{side} {name}")));
        self.inner.crashed.notify_one();
        true
    }
}
