//! Noticing that the database has changed: [`Hints`] from this process, and [`Watch`], which is right without them.
//!
//! Not here: what has changed, which the outbox tells.

mod stillness;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use self::stillness::Stillness;
use crate::{database::Database, limits};

/// Where commits in this process are announced. Only hints: the commit hook runs before the commit is visible, and not every connection has it.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    coordinator: Hint,
    listeners: Hint,
}

/// Who watches. One watch each: a hint wakes one of those that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// The coordinator, for what is to be sent.
    Coordinator,
    /// Who wants to be told which rows change.
    Listeners,
}

#[derive(Debug, Default)]
struct Hint {
    committed: Notify,
    asked: AtomicBool,
}

impl Hints {
    /// A transaction is about to be committed. Cheap, and never blocks: it runs inside SQLite.
    pub(crate) fn commit_is_near(&self) {
        self.coordinator.committed.notify_one();
        self.listeners.committed.notify_one();
    }

    /// Someone wants a look, whether or not anything has changed.
    pub(crate) fn ask(&self) {
        self.coordinator.ask();
        self.listeners.ask();
    }

    /// We have changed rows ourselves: nothing to send, but to be told.
    pub(crate) fn rows_changed(&self) {
        self.listeners.ask();
    }

    fn of(&self, watcher: Watcher) -> &Hint {
        match watcher {
            Watcher::Coordinator => &self.coordinator,
            Watcher::Listeners => &self.listeners,
        }
    }
}

impl Hint {
    fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.committed.notify_one();
    }

    fn take_asked(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }
}

/// Watches one database for commits by any connection of any process, with `PRAGMA data_version` on a connection that never writes
/// (<https://sqlite.org/pragma.html#pragma_data_version>).
#[derive(Debug)]
pub(crate) struct Watch {
    database: Arc<Database>,
    options: SqliteConnectOptions,
    interval: Duration,
    watcher: Watcher,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Absent before the first look, after an error, and while someone looks.
    eye: Option<Eye>,
    /// How often the watch was closed: an eye from before does not come back.
    closes: u64,
}

/// A connection that looks.
#[derive(Debug)]
struct Eye {
    connection: SqliteConnection,
    /// The version when a change was last reported. Versions of different connections mean nothing to each other.
    seen: Option<i64>,
    stillness: Stillness,
}

impl Eye {
    /// Whether nothing can have changed since a look that reported all there was. A look that was cancelled reported nothing.
    fn sees_stillness(&mut self) -> bool {
        self.seen.is_some() && self.stillness.is_certain()
    }
}

impl Watch {
    /// `options` name the database file absolutely.
    pub(crate) fn new(database: Arc<Database>, options: &SqliteConnectOptions, interval: Duration) -> Self {
        Self {
            database,
            options: options.clone().pragma("query_only", "ON"),
            interval,
            watcher: Watcher::Coordinator,
            state: Mutex::default(),
        }
    }

    /// The watch of the listeners.
    pub(crate) fn for_listeners(mut self) -> Self {
        self.watcher = Watcher::Listeners;
        self
    }

    /// Returns when anything was committed since the last return, or someone asked. The first time, and after the connection was lost, it returns
    /// at once: nobody knows what happened before. One caller at a time.
    ///
    /// Cancellation safe: what was seen counts only when this returns.
    pub(crate) async fn changed(&self) {
        let hint = self.database.hints().of(self.watcher);
        while !hint.take_asked() && !self.moved().await {
            let hinted = timeout(self.interval, hint.committed.notified()).await.is_ok();
            if hinted && self.moved_soon().await {
                return;
            }
        }
    }

    /// Closes the connection, if it is open.
    pub(crate) async fn close(&self) {
        let eye = {
            let mut state = self.state();
            state.closes += 1;
            state.eye.take()
        };
        if let Some(eye) = eye
            && let Err(error) = eye.connection.close().await
        {
            tracing::debug!(%error, "a connection did not close cleanly");
        }
    }

    async fn moved_soon(&self) -> bool {
        // Mostly the commit becomes visible while the first of these looks are under way; no timer is as short.
        for _ in 0..limits::LOOKS_AT_ONCE {
            if self.database.hints().of(self.watcher).take_asked() || self.moved().await {
                return true;
            }
        }
        let mut delay = limits::SECOND_LOOK;
        while delay < self.interval {
            sleep(delay).await;
            if self.database.hints().of(self.watcher).take_asked() || self.moved().await {
                return true;
            }
            delay *= 2;
        }
        false
    }

    async fn moved(&self) -> bool {
        let mut look = self.look();
        if look.eye.as_mut().is_some_and(Eye::sees_stillness) {
            return false;
        }
        match look.version().await {
            Ok(version) => {
                let eye = look.eye.as_mut().expect("what looked is there");
                eye.stillness.answered();
                eye.seen.replace(version) != Some(version)
            }
            Err(error) => {
                tracing::debug!(%error, "could not ask for the data version; trying again with a new connection");
                look.eye = None;
                false
            }
        }
    }

    fn look(&self) -> Look<'_> {
        let mut state = self.state();
        Look {
            eye: state.eye.take(),
            closes: state.closes,
            watch: self,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One look. It has the connection to itself and gives it back when dropped, so that no lock is held meanwhile and a cancelled look loses nothing.
#[derive(Debug)]
struct Look<'w> {
    eye: Option<Eye>,
    closes: u64,
    watch: &'w Watch,
}

impl Look<'_> {
    async fn version(&mut self) -> Result<i64, sqlx::Error> {
        let eye = match &mut self.eye {
            Some(eye) => eye,
            empty => empty.insert(Eye {
                connection: self.watch.options.connect().await?,
                seen: None,
                stillness: Stillness::of(self.watch.database.path()),
            }),
        };
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut eye.connection)
            .await
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        if state.closes == self.closes {
            state.eye = self.eye.take();
        }
    }
}

#[cfg(test)]
mod tests;
