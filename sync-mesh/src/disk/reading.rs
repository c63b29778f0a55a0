//! What the file holds, read back: [`Disk::contents`].

use std::collections::{HashMap, HashSet};

use ditto_sync_core::intent::ReplicaId;
use sqlx::Row;

use super::{Confirmed, Contents, Disk, DiskError, Owner, StoredShard};
use crate::{
    data::ShardKey,
    index::{Index, Touch},
    interest::Interest,
};

impl Disk {
    /// Everything that was kept.
    pub(crate) async fn contents(&mut self) -> Result<Contents, DiskError> {
        let owner = self.owner().await?;
        let mut shards = Vec::new();
        for row in
            sqlx::query("SELECT number, collection, snapshot, rows, partition FROM shard ORDER BY number")
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
                key: shard_key(&row.try_get::<String, _>(1)?, &row.try_get::<Vec<u8>, _>(4)?)?,
                snapshot: row.try_get(2)?,
                log: Vec::new(),
                index,
            };
            self.read_log(&mut shard).await?;
            shards.push(shard);
        }
        let batches = self.batches().await?;
        let devices = self.devices().await?;
        let dropped: Vec<String> = sqlx::query_scalar("SELECT collection FROM dropped")
            .fetch_all(&mut self.connection)
            .await?;
        Ok(Contents {
            interests: self.interests().await?,
            dropped: dropped.into_iter().map(Into::into).collect(),
            owner,
            confirmed: self.all_confirmed().await?,
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

    /// What cannot be read is asked for again at the next connection.
    async fn interests(&mut self) -> Result<HashMap<[u8; 32], Interest>, DiskError> {
        let rows = sqlx::query("SELECT key, interest FROM device WHERE interest IS NOT NULL")
            .fetch_all(&mut self.connection)
            .await?;
        let mut interests = HashMap::new();
        for row in rows {
            if let Ok(interest) = Interest::decode(&row.try_get::<Vec<u8>, _>(1)?) {
                interests.insert(exactly(row.try_get(0)?)?, interest);
            }
        }
        Ok(interests)
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

    /// What each device has confirmed to hold.
    pub(crate) async fn all_confirmed(&mut self) -> Result<Vec<Confirmed>, DiskError> {
        let rows = sqlx::query("SELECT key, collection, version, at, partition FROM confirmed")
            .fetch_all(&mut self.connection)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Confirmed {
                    device: exactly(row.try_get(0)?)?,
                    key: shard_key(&row.try_get::<String, _>(1)?, &row.try_get::<Vec<u8>, _>(4)?)?,
                    version: row.try_get(2)?,
                    at: row.try_get(3)?,
                })
            })
            .collect()
    }
}

fn shard_key(collection: &str, partition: &[u8]) -> Result<ShardKey, DiskError> {
    ShardKey::checked(collection, partition).ok_or(DiskError::Damaged("a partition cannot be read"))
}

const DAMAGED_INDEX: DiskError = DiskError::Damaged("a list of rows cannot be read");

fn exactly<const BYTES: usize>(bytes: Vec<u8>) -> Result<[u8; BYTES], DiskError> {
    bytes
        .try_into()
        .map_err(|_| DiskError::Damaged("a number or key has another length"))
}
