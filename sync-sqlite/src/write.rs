//! The app's own write transactions that take turns with the coordinator's: [`WriteTransaction`].
//!
//! Not here: the coordinator's transactions (`connection`).

use std::ops::{Deref, DerefMut};

use sqlx::{SqlStr, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use sqlx_core::transaction::TransactionManager;

use crate::database::{Database, Turn};

type Manager = <Sqlite as sqlx::Database>::TransactionManager;

/// A transaction on a connection of the app's pool that has the write lock from its start.
///
/// Whoever writes this way waits in line instead of polling SQLite's lock, so it neither fails as busy because of the coordinator nor waits
/// longer than one batch of it. It derefs to the connection: `sqlx::query(..).execute(&mut *transaction)`. Dropped before
/// [`commit`](Self::commit) has returned, it is rolled back.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct WriteTransaction {
    connection: PoolConnection<Sqlite>,
    open: bool,
    /// After the connection: the next one's turn comes when the rollback is on its way.
    _turn: Turn,
}

impl WriteTransaction {
    /// Takes a connection first and waits for its turn then, so that nobody's turn is spent waiting for a connection.
    pub(crate) async fn begin(pool: &SqlitePool, database: &Database) -> Result<Self, sqlx::Error> {
        let mut connection = pool.acquire().await?;
        let turn = database.turn().await;
        Manager::begin(&mut connection, Some(SqlStr::from_static("BEGIN IMMEDIATE"))).await?;
        Ok(Self {
            connection,
            open: true,
            _turn: turn,
        })
    }

    /// Makes everything permanent.
    ///
    /// # Errors
    /// When SQLite refuses, for example over a deferred foreign key; the transaction is rolled back then. Cancelled, it has happened or not.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        Manager::commit(&mut self.connection).await?;
        self.open = false;
        Ok(())
    }

    /// Undoes everything, and waits for it: what dropping does without waiting.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        Manager::rollback(&mut self.connection).await?;
        self.open = false;
        Ok(())
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if self.open {
            Manager::start_rollback(&mut self.connection);
        }
    }
}
