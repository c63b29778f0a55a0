//! What a mesh store keeps in its SQLite file: who it is, snapshots, the log of updates, the index of rows, batch numbers. See [`Disk`].
//!
//! Own operations are durable before anybody else sees them: a writer that came back with a gap in its own operations would diverge silently (Loro counts a
//! writer's operations, it does not compare them). Not here: what the bytes mean (`data`).

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use ditto_sync_core::intent::{BatchId, ReplicaId};
use smol_str::SmolStr;
use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};

use crate::index::{Index, Touch};

/// The version of the tables below.
const LAYOUT: i64 = 1;

const TABLES: &str = "
CREATE TABLE store (store TEXT NOT NULL, peer BLOB NOT NULL, mesh TEXT NOT NULL, key BLOB NOT NULL, secret BLOB NOT NULL, shared INTEGER NOT NULL,
    position INTEGER NOT NULL DEFAULT 0);
CREATE TABLE device (key BLOB PRIMARY KEY, addresses BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE confirmed (key BLOB NOT NULL, collection TEXT NOT NULL, version BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (key, collection)) WITHOUT ROWID;
CREATE TABLE shard (number INTEGER PRIMARY KEY, collection TEXT NOT NULL UNIQUE, snapshot BLOB, rows BLOB);
CREATE TABLE log (position INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, bytes BLOB NOT NULL, rows BLOB NOT NULL);
CREATE INDEX log_of_shard ON log (shard, position);
CREATE TABLE batch (replica BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
";

/// The open file. Nobody else has it: it is locked until it is closed.
pub(crate) struct Disk {
    connection: SqliteConnection,
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
    /// Positions up to here are taken, though what stood there may be gone.
    pub(crate) position: u64,
    /// Devices that were met: public key and addresses, encoded.
    pub(crate) devices: Vec<([u8; 32], Vec<u8>)>,
}

/// A shard as it was kept.
pub(crate) struct StoredShard {
    pub(crate) number: i64,
    pub(crate) collection: SmolStr,
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
}

/// What takes the place of a shard and its log.
pub(crate) struct Replacement<'a> {
    pub(crate) shard: i64,
    pub(crate) snapshot: &'a [u8],
    /// The index, encoded.
    pub(crate) rows: Vec<u8>,
    /// Under which number the store writes from now on.
    pub(crate) peer: u64,
}

/// What a device has confirmed to hold of a collection.
pub(crate) struct Confirmed {
    pub(crate) device: [u8; 32],
    pub(crate) collection: String,
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
        let mut disk = Self { connection };
        disk.prepare(fresh).await.map_err(|error| match error {
            DiskError::Sqlite(error) => in_use(error),
            other => other,
        })?;
        Ok(disk)
    }

    async fn prepare(&mut self, fresh: Owner) -> Result<(), DiskError> {
        let mut transaction = self.connection.begin_with("BEGIN EXCLUSIVE").await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *transaction)
            .await?;
        if found > LAYOUT {
            return Err(DiskError::Layout { found });
        }
        if found == 0 {
            sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
            sqlx::query(
                "INSERT INTO store (store, peer, mesh, key, secret, shared) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(fresh.store.as_str())
            .bind(fresh.peer.to_le_bytes().as_slice())
            .bind(&fresh.mesh)
            .bind(fresh.key.as_slice())
            .bind(fresh.secret.as_slice())
            .bind(fresh.shared)
            .execute(&mut *transaction)
            .await?;
            sqlx::raw_sql("PRAGMA user_version = 1")
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Everything that was kept.
    pub(crate) async fn contents(&mut self) -> Result<Contents, DiskError> {
        let owner = self.owner().await?;
        let mut shards = Vec::new();
        for row in sqlx::query("SELECT number, collection, snapshot, rows FROM shard ORDER BY number")
            .fetch_all(&mut self.connection)
            .await?
        {
            let number = row.try_get(0)?;
            let index = match row.try_get::<Option<Vec<u8>>, _>(3)? {
                Some(rows) => Index::decode(&rows).ok_or(DAMAGED_INDEX)?,
                None => Index::default(),
            };
            let mut shard = StoredShard {
                number,
                collection: row.try_get::<String, _>(1)?.into(),
                snapshot: row.try_get(2)?,
                log: Vec::new(),
                index,
            };
            self.read_log(&mut shard).await?;
            shards.push(shard);
        }
        let batches = self.batches().await?;
        let devices = self.devices().await?;
        let position: i64 = sqlx::query_scalar("SELECT position FROM store")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(Contents {
            owner,
            confirmed: self.all_confirmed().await?,
            position: position.cast_unsigned(),
            shards,
            batches,
            devices,
        })
    }

    async fn owner(&mut self) -> Result<Owner, DiskError> {
        let row = sqlx::query("SELECT store, peer, mesh, key, secret, shared FROM store")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(Owner {
            store: row.try_get::<String, _>(0)?.into(),
            peer: u64::from_le_bytes(exactly(row.try_get(1)?)?),
            mesh: row.try_get(2)?,
            key: exactly(row.try_get(3)?)?,
            secret: exactly(row.try_get(4)?)?,
            shared: row.try_get(5)?,
        })
    }

    /// The public keys of the devices that were met.
    pub(crate) async fn known_devices(&mut self) -> Result<HashSet<[u8; 32]>, DiskError> {
        let devices = self.devices().await?;
        Ok(devices.into_iter().map(|(device, _)| device).collect())
    }

    async fn devices(&mut self) -> Result<Vec<([u8; 32], Vec<u8>)>, DiskError> {
        let rows = sqlx::query("SELECT key, addresses FROM device")
            .fetch_all(&mut self.connection)
            .await?;
        rows.into_iter()
            .map(|row| Ok((exactly(row.try_get(0)?)?, row.try_get(1)?)))
            .collect()
    }

    async fn read_log(&mut self, shard: &mut StoredShard) -> Result<(), DiskError> {
        let entries = sqlx::query("SELECT bytes, rows FROM log WHERE shard = ? ORDER BY position")
            .bind(shard.number)
            .fetch_all(&mut self.connection)
            .await?;
        for entry in entries {
            shard.log.push(entry.try_get(0)?);
            let rows: Vec<u8> = entry.try_get(1)?;
            let touches: Vec<Touch> = postcard::from_bytes(&rows).map_err(|_| DAMAGED_INDEX)?;
            touches.iter().for_each(|touch| shard.index.touch(touch));
        }
        Ok(())
    }

    async fn batches(&mut self) -> Result<HashMap<ReplicaId, u64>, DiskError> {
        let rows = sqlx::query("SELECT replica, sequence FROM batch")
            .fetch_all(&mut self.connection)
            .await?;
        rows.into_iter()
            .map(|row| {
                let sequence: i64 = row.try_get(1)?;
                let replica = ReplicaId::from_bytes(exactly(row.try_get(0)?)?);
                Ok((replica, sequence.cast_unsigned()))
            })
            .collect()
    }

    /// A shard that was not there.
    pub(crate) async fn add_shard(&mut self, collection: &str) -> Result<i64, DiskError> {
        let done = sqlx::query("INSERT INTO shard (collection) VALUES (?)")
            .bind(collection)
            .execute(&mut self.connection)
            .await?;
        Ok(done.last_insert_rowid())
    }

    /// Keeps updates, and the number of the batch they came with, as one. When it returns they survive a power loss.
    pub(crate) async fn save(&mut self, changes: &[Change], batch: Option<BatchId>) -> Result<(), DiskError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for change in changes {
            let rows = postcard::to_extend(&change.rows, Vec::new())
                .expect("a growing buffer takes every list of rows");
            sqlx::query("INSERT INTO log (shard, bytes, rows) VALUES (?, ?, ?)")
                .bind(change.shard)
                .bind(&change.update)
                .bind(rows)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(batch) = batch {
            sqlx::query(
                "INSERT INTO batch (replica, sequence) VALUES (?, ?)
                 ON CONFLICT (replica) DO UPDATE SET sequence = excluded.sequence",
            )
            .bind(batch.replica.to_bytes().as_slice())
            .bind(batch.sequence.cast_signed())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Replaces a shard and its log by a snapshot of all of it.
    pub(crate) async fn replace(&mut self, by: Replacement<'_>) -> Result<(), DiskError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
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
        sqlx::query("UPDATE store SET peer = ?")
            .bind(by.peer.to_le_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a shard. Positions up to `position` stay taken.
    pub(crate) async fn remove_shard(&mut self, shard: i64, position: u64) -> Result<(), DiskError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for statement in [
            "DELETE FROM log WHERE shard = ?",
            "DELETE FROM shard WHERE number = ?",
        ] {
            sqlx::query(statement)
                .bind(shard)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("UPDATE store SET position = max(position, ?)")
            .bind(position.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers what a device has confirmed.
    pub(crate) async fn confirm(&mut self, confirmed: &[Confirmed]) -> Result<(), DiskError> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for confirmed in confirmed {
            sqlx::query(
                "INSERT INTO confirmed (key, collection, version, at) VALUES (?, ?, ?, ?)
                 ON CONFLICT (key, collection) DO UPDATE SET version = excluded.version, at = excluded.at",
            )
            .bind(confirmed.device.as_slice())
            .bind(&confirmed.collection)
            .bind(&confirmed.version)
            .bind(confirmed.at)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What each device has confirmed to hold.
    pub(crate) async fn all_confirmed(&mut self) -> Result<Vec<Confirmed>, DiskError> {
        let rows = sqlx::query("SELECT key, collection, version, at FROM confirmed")
            .fetch_all(&mut self.connection)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Confirmed {
                    device: exactly(row.try_get(0)?)?,
                    collection: row.try_get(1)?,
                    version: row.try_get(2)?,
                    at: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// Writes under another number from now on.
    pub(crate) async fn change_peer(&mut self, peer: u64) -> Result<(), DiskError> {
        sqlx::query("UPDATE store SET peer = ?")
            .bind(peer.to_le_bytes().as_slice())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The mesh has this secret from now on; `shared`: somebody else may know it.
    pub(crate) async fn change_secret(&mut self, secret: &[u8; 32], shared: bool) -> Result<(), DiskError> {
        sqlx::query("UPDATE store SET secret = ?, shared = ?")
            .bind(secret.as_slice())
            .bind(shared)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Remembers where a device was.
    pub(crate) async fn remember(&mut self, device: &[u8; 32], addresses: &[u8]) -> Result<(), DiskError> {
        sqlx::query(
            "INSERT INTO device (key, addresses) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET addresses = excluded.addresses WHERE addresses != excluded.addresses",
        )
        .bind(device.as_slice())
        .bind(addresses)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Releases the file.
    pub(crate) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the file of the mesh did not close cleanly"
            );
        }
    }
}

const DAMAGED_INDEX: DiskError = DiskError::Damaged("a list of rows cannot be read");

fn exactly<const BYTES: usize>(bytes: Vec<u8>) -> Result<[u8; BYTES], DiskError> {
    bytes
        .try_into()
        .map_err(|_| DiskError::Damaged("a number or key has another length"))
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
