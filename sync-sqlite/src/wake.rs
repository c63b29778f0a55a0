//! Noticing that the database has changed: [`Hints`] from this process, and [`Watch`], which is right without them.
//!
//! Not here: what has changed, which the outbox tells.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{Mutex, Notify},
    time::{sleep, timeout},
};

use crate::{database::Database, limits};

/// Where commits in this process are announced. Only hints: the commit hook runs before the commit is visible, and not every connection has it.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    committed: Notify,
    asked: AtomicBool,
}

impl Hints {
    /// A transaction is about to be committed. Cheap, and never blocks: it runs inside SQLite.
    pub(crate) fn commit_is_near(&self) {
        self.committed.notify_one();
    }

    /// Someone wants a look, whether or not anything has changed.
    pub(crate) fn ask(&self) {
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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<SqliteConnection>,
    /// The version when a change was last reported. Versions of different connections mean nothing to each other.
    seen: Option<i64>,
}

impl Watch {
    /// `options` name the database file absolutely.
    pub(crate) fn new(database: Arc<Database>, options: &SqliteConnectOptions, interval: Duration) -> Self {
        Self {
            database,
            options: options.clone().pragma("query_only", "ON"),
            interval,
            state: Mutex::default(),
        }
    }

    /// Returns when anything was committed since the last return, or someone asked. The first time, and after the connection was lost, it returns
    /// at once: nobody knows what happened before.
    ///
    /// Cancellation safe: what was seen counts only when this returns.
    pub(crate) async fn changed(&self) {
        let mut state = self.state.lock().await;
        let hints = self.database.hints();
        while !hints.take_asked() && !self.moved(&mut state).await {
            let hinted = timeout(self.interval, hints.committed.notified()).await.is_ok();
            if hinted && self.moved_soon(&mut state).await {
                return;
            }
        }
    }

    /// Closes the connection, if it is open.
    pub(crate) async fn close(&self) {
        let connection = {
            let mut state = self.state.lock().await;
            state.seen = None;
            state.connection.take()
        };
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection did not close cleanly");
        }
    }

    async fn moved_soon(&self, state: &mut State) -> bool {
        for delay in limits::LOOKS_AFTER_HINT {
            sleep(delay).await;
            if self.database.hints().take_asked() || self.moved(state).await {
                return true;
            }
        }
        false
    }

    async fn moved(&self, state: &mut State) -> bool {
        match self.version(state).await {
            Ok(version) => {
                let moved = state.seen != Some(version);
                state.seen = Some(version);
                moved
            }
            Err(error) => {
                tracing::debug!(%error, "could not ask for the data version; trying again");
                state.connection = None;
                state.seen = None;
                false
            }
        }
    }

    async fn version(&self, state: &mut State) -> Result<i64, sqlx::Error> {
        let connection = match &mut state.connection {
            Some(connection) => connection,
            empty => {
                state.seen = None;
                empty.insert(self.options.connect().await?)
            }
        };
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(connection)
            .await
    }
}
