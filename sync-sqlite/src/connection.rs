//! The repository's own connections, outside of the app's pool: [`Writer`] and [`Reader`], and the [`Transaction`] both hand out.
//!
//! Not here: what happens inside a transaction.

mod checkpoint;

use std::sync::Arc;

use ditto_sync_core::repository::RepositoryError;
use sqlx::{ConnectOptions, Connection, SqlStr, Sqlite, SqliteConnection, sqlite::SqliteConnectOptions};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::checkpoint::Checkpoints;

use crate::{
    database::{Database, Turn},
    error::{Context, DatabaseError},
    limits,
    native::Native,
};

type Manager = <Sqlite as sqlx::Database>::TransactionManager;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Power loss, at the price of a disk sync.
    Full,
    /// A crash of the process. Power loss may undo the newest commits, all of them in order.
    Normal,
}

/// The connection that writes. Opened when first needed.
#[derive(Debug)]
pub(crate) struct Writer {
    database: Arc<Database>,
    slot: Slot,
}

/// A connection that reads, so that reading does not wait for writing. Opened when first needed.
#[derive(Debug)]
pub(crate) struct Reader {
    database: Arc<Database>,
    slot: Slot,
}

/// A transaction on one of the repository's own connections. Dropped before [`commit`](Self::commit) has returned, it is rolled back.
///
/// A writer's transaction has the write lock, and the turn of this process, until it ends. A reader's sees one state of the database, and keeps
/// SQLite from recycling its log: end both soon.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// `None` once it has ended.
    place: Option<Place>,
    context: Context,
    /// An earlier transaction may have left triggers disabled: that belongs to the connection, and no rollback resets it.
    triggers_in_doubt: bool,
    /// After the connection: the next one's turn comes when the rollback is on its way.
    _turn: Option<Turn>,
}

/// The place of a connection, until dropped.
type Place = OwnedMutexGuard<Option<Open>>;

/// An open connection.
#[derive(Debug)]
struct Open {
    sqlx: SqliteConnection,
    checkpoints: Checkpoints,
}

impl Writer {
    /// `options` name the database file absolutely.
    pub(crate) fn new(database: Arc<Database>, options: SqliteConnectOptions) -> Self {
        Self {
            database,
            slot: Slot::new(options),
        }
    }

    /// Waits for the turn and takes the write lock. Triggers are enabled, whatever an earlier transaction left behind, for whoever uses it. `action` completes the
    /// sentence "could not ..".
    ///
    /// # Errors
    /// [`RepositoryError::Busy`] when a connection without our mutex holds the write lock too long.
    ///
    /// Cancellation safe: what was begun is rolled back.
    pub(crate) async fn begin(
        &self,
        action: &'static str,
        durability: Durability,
    ) -> Result<Transaction, RepositoryError> {
        let context = Context::new(Arc::clone(self.database.path()), action);
        // It may still be bringing the log back: nobody has to wait for a turn because of that.
        drop(self.slot.take().await);
        let turn = self.database.turn().await;
        let place = self.slot.take().await;
        let start = Start::Write(durability);
        self.slot.begin(place, start, (context, Some(turn))).await
    }

    /// Closes the connection, if it is open. The next [`begin`](Self::begin) opens another one.
    pub(crate) async fn close(&self) {
        self.slot.close().await;
    }
}

impl Reader {
    /// `options` name the database file absolutely.
    pub(crate) fn new(database: Arc<Database>, options: &SqliteConnectOptions) -> Self {
        Self {
            database,
            slot: Slot::new(options.clone().pragma("query_only", "ON")),
        }
    }

    /// Begins a transaction that only reads. `action` completes the sentence "could not ..".
    ///
    /// Cancellation safe.
    pub(crate) async fn begin(&self, action: &'static str) -> Result<Transaction, RepositoryError> {
        let context = Context::new(Arc::clone(self.database.path()), action);
        let place = self.slot.take().await;
        self.slot.begin(place, Start::Read, (context, None)).await
    }

    /// Reads outside of a transaction, with one trip to the thread of the connection where a transaction takes three: each statement sees a state of its own. `None` when there is no
    /// connection yet or something fails: whoever begins a transaction then learns what it is.
    ///
    /// Cancellation safe.
    pub(crate) async fn glance<T>(&self, step: impl FnOnce(&Native<'_>) -> Option<T>) -> Option<T> {
        let mut place = self.slot.take().await;
        let native = Native::lock(&mut place.as_mut()?.sqlx).await.ok()?;
        step(&native)
    }

    /// Closes the connection, if it is open. The next [`begin`](Self::begin) opens another one.
    pub(crate) async fn close(&self) {
        self.slot.close().await;
    }
}

impl Transaction {
    /// Takes the connection from its worker thread, for a loop of statements. Give it back before long: drop it between slices.
    pub(crate) async fn native(&mut self) -> Result<Native<'_>, RepositoryError> {
        let context = &self.context;
        let open = self.place.as_mut().and_then(|place| place.as_mut());
        let open = open.expect("a transaction has a connection until it ends");
        let native = Native::lock(&mut open.sqlx)
            .await
            .map_err(|error| context.error(error))?;
        if self.triggers_in_doubt {
            native
                .set_triggers_enabled(true)
                .map_err(|error| context.error(error))?;
            self.triggers_in_doubt = false;
        }
        open.checkpoints.look(&native);
        Ok(native)
    }

    /// The connection, for statements through sqlx.
    pub(crate) async fn sqlx(&mut self) -> Result<&mut SqliteConnection, RepositoryError> {
        if self.triggers_in_doubt {
            drop(self.native().await?);
        }
        Ok(self.connection())
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        let open = self.place.as_mut().and_then(|place| place.as_mut());
        &mut open.expect("a transaction has a connection until it ends").sqlx
    }

    /// What this transaction is for, to turn errors into the repository's.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Makes everything permanent.
    ///
    /// # Errors
    /// When the database fails; nothing has happened then. Cancelled, it has happened or not.
    pub(crate) async fn commit(mut self) -> Result<(), RepositoryError> {
        let context = self.context.clone();
        Manager::commit(self.connection())
            .await
            .map_err(|error| context.error(error))?;
        if let Some(place) = self.place.take() {
            bring_log_back(place);
        }
        Ok(())
    }

    /// Undoes everything, and waits for it: what dropping does without waiting.
    pub(crate) async fn rollback(mut self) -> Result<(), RepositoryError> {
        let context = self.context.clone();
        Manager::rollback(self.connection())
            .await
            .map_err(|error| context.error(error))?;
        self.place = None;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(open) = self.place.as_mut().and_then(|place| place.as_mut()) {
            Manager::start_rollback(&mut open.sqlx);
        }
        self.place = None;
    }
}

/// Brings the log back behind a commit, where that is due. The connection is not free before, so there is never more than one of these, and closing waits for it.
fn bring_log_back(mut place: Place) {
    if place.as_mut().is_some_and(|open| open.checkpoints.are_due()) {
        tokio::spawn(async move {
            if let Some(open) = place.as_mut() {
                checkpoint::run(&mut open.sqlx).await;
            }
        });
    }
}

/// How a transaction starts.
#[derive(Debug, Clone, Copy)]
enum Start {
    Write(Durability),
    Read,
}

/// A place for one connection.
#[derive(Debug)]
struct Slot {
    options: SqliteConnectOptions,
    connection: Arc<Mutex<Option<Open>>>,
}

impl Slot {
    fn new(options: SqliteConnectOptions) -> Self {
        Self {
            options,
            connection: Arc::default(),
        }
    }

    /// Waits until nobody else uses the connection.
    async fn take(&self) -> Place {
        Arc::clone(&self.connection).lock_owned().await
    }

    async fn begin(
        &self,
        mut place: Place,
        start: Start,
        (context, turn): (Context, Option<Turn>),
    ) -> Result<Transaction, RepositoryError> {
        if let Some(open) = place.as_mut() {
            match begin_on(&mut open.sqlx, start).await {
                Ok(()) => return Ok(Transaction::begun(place, context, turn)),
                Err(error) if error.is_busy() => return Err(context.error(error)),
                // After some errors (a full disk, for one) SQLite has rolled back by itself while sqlx still counts a transaction, and such a
                // connection never begins again. A new one tells whether the database or only the connection is broken.
                Err(error) => {
                    tracing::debug!(%error, "a connection was given up for a new one");
                    *place = None;
                }
            }
        }
        let opened = self.open(start).await.map_err(|error| context.error(error))?;
        begin_on(&mut place.insert(opened).sqlx, start)
            .await
            .map_err(|error| context.error(error))?;
        Ok(Transaction::begun(place, context, turn))
    }

    async fn open(&self, start: Start) -> Result<Open, DatabaseError> {
        let mut sqlx = self.options.connect().await?;
        let checkpoints = match start {
            Start::Write(_) => prepare_to_write(&mut sqlx).await?,
            Start::Read => Checkpoints::NONE,
        };
        Ok(Open { sqlx, checkpoints })
    }

    async fn close(&self) {
        let open = self.take().await.take();
        if let Some(open) = open
            && let Err(error) = open.sqlx.close().await
        {
            tracing::debug!(%error, "a connection did not close cleanly");
        }
    }
}

impl Transaction {
    fn begun(place: Place, context: Context, turn: Option<Turn>) -> Self {
        Self {
            place: Some(place),
            context,
            triggers_in_doubt: turn.is_some(),
            _turn: turn,
        }
    }
}

async fn begin_on(connection: &mut SqliteConnection, start: Start) -> Result<(), DatabaseError> {
    // Together, because each trip to the thread of the connection takes as long as a small transaction itself. `synchronous` cannot change inside of one.
    let statement = match start {
        Start::Write(Durability::Full) => "PRAGMA synchronous = FULL; BEGIN IMMEDIATE",
        Start::Write(Durability::Normal) => "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE",
        Start::Read => "BEGIN",
    };
    Manager::begin(connection, Some(SqlStr::from_static(statement))).await?;
    Ok(())
}

/// What a connection that was just opened needs. Its log is brought back behind its commits.
async fn prepare_to_write(connection: &mut SqliteConnection) -> Result<Checkpoints, DatabaseError> {
    let native = Native::lock(connection).await?;
    // `BEGIN IMMEDIATE` succeeds on a file that cannot be written; only the first write would fail.
    if native.is_read_only() {
        return Err(DatabaseError::ReadOnly);
    }
    give_room(&native)?;
    Ok(Checkpoints::of(&native)?)
}

/// Batches write rows and hashes in random places; with SQLite's own 2 MB of cache they read and spill the same pages again and again. What the app has chosen stays.
fn give_room(native: &Native<'_>) -> Result<(), DatabaseError> {
    let mut ask = native.prepare("PRAGMA main.cache_size")?;
    ask.step()?;
    let room = ask.column_i64(0);
    drop(ask);
    if [limits::SQLITE_CACHE_KIB, limits::APP_CACHE_KIB].contains(&room) {
        native.execute(&format!("PRAGMA main.cache_size = {}", limits::WRITER_CACHE_KIB))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
