//! What a mesh store keeps in its SQLite file: who it is, snapshots, the log of updates, the index of rows, batch numbers. See [`Disk`].
//!
//! Own operations are durable before anybody else sees them: a writer that came back with a gap in its own operations would diverge silently (Loro counts a
//! writer's operations, it does not compare them). Not here: what the bytes mean (`data`).

mod durability;
mod layout;
mod life;
mod reading;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use ditto_sync_core::intent::{BatchId, ReplicaId};
use smol_str::SmolStr;
use sqlx::{
    Arguments, ConnectOptions, SqliteConnection,
    error::BoxDynError,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
    },
};

pub(crate) use self::life::{Gaps, Life, is_lost};
use self::{
    durability::{Durability, RESERVE, Script, reserve},
    layout::LAYOUT,
};
use crate::{
    data::ShardKey,
    index::{Index, Touch},
    interest::Interest,
};

/// Appends an update to the log of its shard.
const APPEND: &str = "INSERT INTO log (shard, bytes, rows) VALUES (?, ?, ?);";

/// The open file. Nobody else has it: it is locked until it is closed.
pub(crate) struct Disk {
    file: PathBuf,
    connection: SqliteConnection,
    /// What a commit is good for as the connection is set; `None` when that is not certain.
    durability: Option<Durability>,
    /// Everything that was written survives a power loss.
    synced: bool,
    /// Positions up to here are taken, also after a power loss.
    reserved: u64,
    /// Counts what a power loss leaves.
    #[cfg(test)]
    syncs: u64,
}

/// Who this store is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The random name of this life of the store.
    pub(crate) store: SmolStr,
    /// Under which number Loro knows its operations.
    pub(crate) peer: u64,
    /// The name of its mesh.
    pub(crate) mesh: String,
    /// The secret half of the key under which other devices know it.
    pub(crate) key: [u8; 32],
    /// What the devices of the mesh know.
    pub(crate) secret: [u8; 32],
    /// Somebody else may know the secret too, so it cannot be given up for that of another mesh.
    pub(crate) shared: bool,
}

/// Everything that was kept.
pub(crate) struct Contents {
    pub(crate) owner: Owner,
    pub(crate) shards: Vec<StoredShard>,
    pub(crate) batches: HashMap<ReplicaId, u64>,
    /// What devices have confirmed to hold.
    pub(crate) confirmed: Vec<Confirmed>,
    /// Devices that were met: public key and addresses, encoded.
    pub(crate) devices: Vec<([u8; 32], Vec<u8>)>,
    /// What devices take, as far as they have told.
    pub(crate) interests: HashMap<[u8; 32], Interest>,
    /// Collections that were dropped at some time.
    pub(crate) dropped: HashSet<SmolStr>,
}

/// A shard as it was kept.
pub(crate) struct StoredShard {
    pub(crate) number: i64,
    pub(crate) key: ShardKey,
    pub(crate) snapshot: Option<Vec<u8>>,
    /// Updates since the snapshot, oldest first.
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) index: Index,
}

/// One update of one shard, and what it did to the index.
pub(crate) struct Change {
    pub(crate) shard: i64,
    pub(crate) update: Vec<u8>,
    pub(crate) rows: Vec<Touch>,
    /// It was made here, so nobody else could give it back after a power loss.
    pub(crate) own: bool,
}

/// What takes the place of a shard and its log.
pub(crate) struct Replacement<'a> {
    pub(crate) shard: i64,
    pub(crate) snapshot: &'a [u8],
    /// The index, encoded.
    pub(crate) rows: Vec<u8>,
    /// Of the newest change.
    pub(crate) position: u64,
    /// Under which number the store writes from now on.
    pub(crate) peer: u64,
}

/// What a device has confirmed to hold of a document.
pub(crate) struct Confirmed {
    pub(crate) device: [u8; 32],
    pub(crate) key: ShardKey,
    /// Encoded.
    pub(crate) version: Vec<u8>,
    /// When, in seconds since 1970.
    pub(crate) at: i64,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// Another store has it open, in this process or another.
    #[error(
        "another mesh store has the file open: close it first, or give each store a directory of its own"
    )]
    InUse(#[source] sqlx::Error),
    /// It was written by a newer version.
    #[error("the file has layout {found}, this version reads up to {LAYOUT}: update the app")]
    Layout {
        /// What it has.
        found: i64,
    },
    /// It does not hold what it should.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// SQLite failed.
    #[error("sqlite failed")]
    Sqlite(#[from] sqlx::Error),
}

impl Disk {
    /// Opens the file, or makes it with `fresh` as its owner; takes the lock.
    pub(crate) async fn open(file: &Path, fresh: Owner) -> Result<Self, DiskError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .locking_mode(SqliteLockingMode::Exclusive)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let connection = options.connect().await.map_err(in_use)?;
        let mut disk = Self {
            file: file.to_owned(),
            connection,
            durability: Some(Durability::Synced),
            synced: true,
            reserved: 0,
            #[cfg(test)]
            syncs: 0,
        };
        disk.prepare(fresh).await.map_err(|error| match error {
            DiskError::Sqlite(error) => in_use(error),
            other => other,
        })?;
        Ok(disk)
    }

    /// A shard that was not there.
    pub(crate) async fn add_shard(&mut self, key: &ShardKey) -> Result<i64, DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        let done = sqlx::query("INSERT INTO shard (collection, partition) VALUES (?, ?)")
            .bind(key.collection.as_str())
            .bind(key.partition.as_bytes())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.last_insert_rowid())
    }

    /// Keeps updates, which go up to this position, and the number of the batch they came with, as one. What was made here survives a power loss when it returns; what others have
    /// written is only [written](Durability::Written).
    pub(crate) async fn save(
        &mut self,
        changes: &[Change],
        position: u64,
        batch: Option<BatchId>,
    ) -> Result<(), DiskError> {
        let reserved = self.to_reserve(position);
        let is_own = batch.is_some() || changes.iter().any(|change| change.own);
        let durability = if is_own || reserved.is_some() {
            Durability::Synced
        } else {
            Durability::Written
        };
        // From the first statement on; a sync that fails leaves it so.
        self.synced = false;
        self.at_once(durability, to_save(changes, batch, reserved)?)
            .await?;
        self.reserved = reserved.unwrap_or(self.reserved);
        self.synced = durability == Durability::Synced;
        Ok(())
    }

    /// Replaces a shard and its log by a snapshot of all of it, and keeps what came upon that, as one.
    pub(crate) async fn replace(&mut self, by: Replacement<'_>, and: &[Change]) -> Result<(), DiskError> {
        let reserved = self.to_reserve(by.position);
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query("UPDATE shard SET snapshot = ?, rows = ? WHERE number = ?")
            .bind(by.snapshot)
            .bind(by.rows)
            .bind(by.shard)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM log WHERE shard = ?")
            .bind(by.shard)
            .execute(&mut *transaction)
            .await?;
        log(&mut transaction, and).await?;
        sqlx::query("UPDATE store SET peer = ?")
            .bind(by.peer.to_le_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        reserve(&mut transaction, reserved).await?;
        transaction.commit().await?;
        self.reserved = reserved.unwrap_or(self.reserved);
        self.synced = true;
        Ok(())
    }

    /// Forgets a shard. Positions up to `position` stay taken, and the store writes under the number `peer` from now on.
    pub(crate) async fn remove_shard(
        &mut self,
        shard: i64,
        (position, peer): (u64, u64),
    ) -> Result<(), DiskError> {
        let reserved = self.to_reserve(position);
        let mut transaction = self.begin(Durability::Synced).await?;
        for statement in [
            "DELETE FROM log WHERE shard = ?",
            "INSERT OR IGNORE INTO dropped SELECT collection FROM shard WHERE number = ?",
            "DELETE FROM shard WHERE number = ?",
        ] {
            sqlx::query(statement)
                .bind(shard)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("UPDATE store SET peer = ?")
            .bind(peer.to_le_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        reserve(&mut transaction, reserved).await?;
        transaction.commit().await?;
        self.reserved = reserved.unwrap_or(self.reserved);
        Ok(())
    }

    /// Remembers what a device has confirmed.
    pub(crate) async fn confirm(&mut self, confirmed: &[Confirmed]) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        for confirmed in confirmed {
            sqlx::query(
                "INSERT INTO confirmed (key, collection, partition, version, at) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (key, collection, partition) DO UPDATE SET version = excluded.version, at = excluded.at",
            )
            .bind(confirmed.device.as_slice())
            .bind(confirmed.key.collection.as_str())
            .bind(confirmed.key.partition.as_bytes())
            .bind(&confirmed.version)
            .bind(confirmed.at)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes under another number from now on.
    pub(crate) async fn change_peer(&mut self, peer: u64) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query("UPDATE store SET peer = ?")
            .bind(peer.to_le_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The mesh has this secret from now on; `shared`: somebody else may know it.
    pub(crate) async fn change_secret(&mut self, secret: &[u8; 32], shared: bool) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query("UPDATE store SET secret = ?, shared = ?")
            .bind(secret.as_slice())
            .bind(shared)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers what a device takes.
    pub(crate) async fn note_interest(
        &mut self,
        device: &[u8; 32],
        interest: &[u8],
    ) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query("UPDATE device SET interest = ? WHERE key = ?")
            .bind(interest)
            .bind(device.as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers where a device was.
    pub(crate) async fn remember(&mut self, device: &[u8; 32], addresses: &[u8]) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query(
            "INSERT INTO device (key, addresses) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET addresses = excluded.addresses WHERE addresses != excluded.addresses",
        )
        .bind(device.as_slice())
        .bind(addresses)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// What keeps all of this.
fn to_save(changes: &[Change], batch: Option<BatchId>, reserved: Option<u64>) -> Result<Script, DiskError> {
    let mut script = APPEND.repeat(changes.len());
    let mut arguments = SqliteArguments::default();
    let mut bind = || -> Result<(), BoxDynError> {
        for change in changes {
            arguments.add(change.shard)?;
            arguments.add(change.update.as_slice())?;
            arguments.add(rows(change))?;
        }
        if let Some(batch) = batch {
            script += "INSERT INTO batch (replica, sequence) VALUES (?, ?)
                 ON CONFLICT (replica) DO UPDATE SET sequence = excluded.sequence;";
            arguments.add(batch.replica.to_bytes().as_slice())?;
            arguments.add(batch.sequence.cast_signed())?;
        }
        if let Some(position) = reserved {
            script += RESERVE;
            arguments.add(position.cast_signed())?;
        }
        Ok(())
    };
    bind().map_err(sqlx::Error::Encode)?;
    Ok((script, arguments))
}

/// Appends updates to the logs of their shards.
async fn log(connection: &mut SqliteConnection, changes: &[Change]) -> Result<(), DiskError> {
    for change in changes {
        sqlx::query(APPEND)
            .bind(change.shard)
            .bind(&change.update)
            .bind(rows(change))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What a change did to the index, encoded.
fn rows(change: &Change) -> Vec<u8> {
    postcard::to_extend(&change.rows, Vec::new()).expect("a growing buffer takes every list of rows")
}

/// SQLITE_BUSY and SQLITE_LOCKED at the start mean that somebody else has the file.
fn in_use(error: sqlx::Error) -> DiskError {
    let busy = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| matches!(code.parse::<i64>().map(|code| code & 0xff), Ok(5 | 6)));
    if busy {
        DiskError::InUse(error)
    } else {
        DiskError::Sqlite(error)
    }
}
