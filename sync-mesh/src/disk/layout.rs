//! The tables of the file, and how an older file gets them: [`Disk::prepare`].

use sqlx::Connection;

use super::{Disk, DiskError, Owner};

/// The version of the tables below.
pub(super) const LAYOUT: i64 = 3;

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

/// What layout 2 added. In a file of layout 1 everything was synced at once, so nothing of it can be lost.
const SINCE_2: &str = "
ALTER TABLE store ADD COLUMN clean INTEGER NOT NULL DEFAULT 1;
ALTER TABLE store ADD COLUMN mark TEXT;
ALTER TABLE store ADD COLUMN syncs INTEGER NOT NULL DEFAULT 0;
CREATE TABLE gap (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE dropped (collection TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = 2;
";

/// What layout 3 added: partitions. All rows of an older file are in the document of their collection that everybody takes.
const SINCE_3: &str = "
ALTER TABLE shard RENAME TO shard_2;
CREATE TABLE shard (number INTEGER PRIMARY KEY, collection TEXT NOT NULL, partition BLOB NOT NULL DEFAULT x'', snapshot BLOB, rows BLOB,
    UNIQUE (collection, partition));
INSERT INTO shard (number, collection, snapshot, rows) SELECT number, collection, snapshot, rows FROM shard_2;
DROP TABLE shard_2;
ALTER TABLE confirmed RENAME TO confirmed_2;
CREATE TABLE confirmed (key BLOB NOT NULL, collection TEXT NOT NULL, partition BLOB NOT NULL DEFAULT x'', version BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (key, collection, partition)) WITHOUT ROWID;
INSERT INTO confirmed (key, collection, version, at) SELECT key, collection, version, at FROM confirmed_2;
DROP TABLE confirmed_2;
ALTER TABLE device ADD COLUMN interest BLOB;
PRAGMA user_version = 3;
";

impl Disk {
    /// Takes the lock, and makes what is missing, with `fresh` as the owner of a new file.
    pub(super) async fn prepare(&mut self, fresh: Owner) -> Result<(), DiskError> {
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
        }
        if found < 2 {
            sqlx::raw_sql(SINCE_2).execute(&mut *transaction).await?;
        }
        if found < 3 {
            sqlx::raw_sql(SINCE_3).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
