//! What everyone in this process who uses one database file shares: [`Database`], found by the file's path.
//!
//! Two repositories, and pools the app made itself, may name the same file. They have to take turns writing, and a commit through any of them has
//! to wake whoever waits for changes. Not here: what other processes do, which SQLite's own locks and the polling cover.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::wake::Hints;

/// One database file, as this process sees it. Lives as long as anyone uses the file.
#[derive(Debug)]
pub(crate) struct Database {
    path: Arc<str>,
    turns: Arc<AsyncMutex<()>>,
    hints: Hints,
}

/// The right to write, until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

static DATABASES: LazyLock<Mutex<HashMap<PathBuf, Weak<Database>>>> = LazyLock::new(Mutex::default);

impl Database {
    /// The database at `path`, which exists. Whoever else names the same file gets the same value.
    pub(crate) fn at(path: &str) -> Arc<Self> {
        let key = Path::new(path)
            .canonicalize()
            .unwrap_or_else(|_| PathBuf::from(path));
        let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = databases.get(&key).and_then(Weak::upgrade) {
            return database;
        }
        databases.retain(|_, database| database.strong_count() > 0);
        let database = Arc::new(Self {
            path: path.into(),
            turns: Arc::default(),
            hints: Hints::default(),
        });
        databases.insert(key, Arc::downgrade(&database));
        database
    }

    /// The file, absolute, as SQLite names it.
    pub(crate) fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Waits until nobody else in this process writes, in the order of asking. SQLite's own wait sleeps and guesses, which is unfair.
    ///
    /// Cancellation safe, but a new call goes to the end of the queue.
    pub(crate) async fn turn(&self) -> Turn {
        Turn {
            _guard: Arc::clone(&self.turns).lock_owned().await,
        }
    }

    /// Where commits in this process are announced.
    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }
}
