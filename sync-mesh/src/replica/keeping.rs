//! How a replica keeps what it holds: changes into the log, logs into snapshots, history that nobody needs trimmed, documents that nobody wants dropped.

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use ditto_sync_core::{intent::BatchId, store::StoreError};
use loro::VersionVector;

use super::{Open, Replica, random_peer};
use crate::{
    data::{Shard, ShardKey},
    disk::{Change, Confirmed, DiskError, Replacement},
    error::{self, OpenError},
    interest::Interest,
    limits::{LOG_BYTES_BUSY_MAX, LOG_BYTES_MAX, TOUCHED_ROWS_BUSY_MAX, TOUCHED_ROWS_MAX, TRIM_HORIZON},
    memory::give_back,
};

impl Replica {
    /// Brings changes that memory has into the file, after which they count.
    pub(super) async fn keep(
        &mut self,
        changes: Vec<Change>,
        batch: Option<BatchId>,
    ) -> Result<(), StoreError> {
        self.disk
            .save(&changes, self.position, batch)
            .await
            .map_err(error::unavailable("save to its file"))?;
        self.doubtful = false;
        for change in changes {
            if let Some(open) = self.shards.iter_mut().find(|open| open.number == change.shard) {
                open.log_bytes += change.update.len();
            }
        }
        self.shorten(false).await;
        Ok(())
    }

    /// Makes what came from peers survive a power loss: before any of them is told that it is here. When that fails, memory is read from the file again.
    pub(crate) async fn secure(&mut self) -> Result<(), StoreError> {
        if !self.is_sure() || self.disk.is_synced() {
            return Ok(());
        }
        let synced = self.disk.sync().await;
        self.doubtful = synced.is_err();
        synced.map_err(error::unavailable("sync its file"))
    }

    /// Changes with whatever survives a power loss from then on.
    #[cfg(test)]
    pub(crate) fn syncs(&self) -> u64 {
        self.disk.syncs()
    }

    /// Replaces long logs by snapshots, and documents that have grown in memory by what is read from these. Best effort: what stays is read at the next start.
    pub(crate) async fn shorten(&mut self, idle: bool) {
        if idle {
            self.read_ahead.clear();
        }
        for at in 0..self.shards.len() {
            let sure = self.is_sure();
            let open = &mut self.shards[at];
            if !sure || !open.has_grown(idle) {
                continue;
            }
            // Not again before as much has been added, if it fails.
            open.log_bytes = 0;
            open.touched = 0;
            let outcome = match open.shard.snapshot() {
                Ok((snapshot, shard)) => self.swap(at, &snapshot, shard).await.map_err(OpenError::from),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = outcome {
                let shard = &self.shards[at].key;
                tracing::warn!(%shard, error = &error as &dyn std::error::Error, "a log could not be shortened");
            }
        }
    }

    /// Whether there is something to do for [`shorten`](Self::shorten) when nothing else is.
    pub(crate) fn has_grown(&self) -> bool {
        !self.read_ahead.is_empty() || self.shards.iter().any(|open| open.has_grown(true))
    }

    /// Puts the same document, read from a snapshot, in the place of a shard: in the file first.
    async fn swap(&mut self, at: usize, snapshot: &[u8], shard: Shard) -> Result<(), DiskError> {
        let open = &mut self.shards[at];
        let replacement = Replacement {
            shard: open.number,
            snapshot,
            rows: open.index.encode(),
            position: self.position,
            peer: self.owner.peer,
        };
        self.disk.replace(replacement, &[]).await?;
        open.shard = shard;
        give_back();
        Ok(())
    }

    /// Remembers what devices have confirmed to hold.
    pub(crate) async fn confirm(&mut self, confirmed: Vec<([u8; 32], ShardKey, VersionVector)>) {
        let at = seconds_now();
        let confirmed: Vec<Confirmed> = confirmed
            .into_iter()
            .map(|(device, key, version)| Confirmed {
                device,
                key,
                version: version.encode(),
                at,
            })
            .collect();
        if let Err(error) = self.disk.confirm(&confirmed).await {
            // Best effort: history is kept longer.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what peers hold could not be remembered"
            );
        }
    }

    /// Drops the history that every device has confirmed to hold which was met within [`TRIM_HORIZON`]. Others get a snapshot when they return. Returns the
    /// collections that became smaller.
    pub(crate) async fn trim(&mut self, own: &[u8; 32]) -> Result<Vec<String>, StoreError> {
        self.sure().await?;
        let mut known: HashSet<[u8; 32]> = self
            .disk
            .known_devices()
            .await
            .map_err(error::unavailable("read its file"))?;
        // Where this device itself listened is remembered, too.
        known.remove(own);
        let confirmed = self.disk.all_confirmed().await;
        let confirmed = confirmed.map_err(error::unavailable("read its file"))?;
        let mut trimmed: Vec<String> = Vec::new();
        for at in 0..self.shards.len() {
            let key = self.shards[at].key.clone();
            let Some(version) = self.held_by_all(&key, &known, &confirmed) else {
                continue;
            };
            let outcome = self.shards[at].shard.trimmed(&version);
            if let Some((snapshot, shard)) = outcome.map_err(error::failed("trim history"))? {
                let saved = self.swap(at, &snapshot, shard).await;
                saved.map_err(error::unavailable("save to its file"))?;
                trimmed.push(key.collection.into());
            }
        }
        trimmed.sort_unstable();
        trimmed.dedup();
        Ok(trimmed)
    }

    /// What every device holds that counts and takes it; `None` when one of them has never confirmed anything, or none takes it.
    fn held_by_all(
        &self,
        key: &ShardKey,
        known: &HashSet<[u8; 32]>,
        confirmed: &[Confirmed],
    ) -> Option<VersionVector> {
        let oldest = seconds_now() - i64::try_from(TRIM_HORIZON.as_secs()).unwrap_or(i64::MAX);
        let mut common = self.find(key)?.version.clone();
        let takers = known.iter().filter(|device| self.is_wanted_by(device, key));
        let takers: Vec<&[u8; 32]> = takers.collect();
        // What nobody else takes nobody else may have: when two drop the history that the other lacks, neither can merge the other's.
        if !self.wants(key) || (takers.is_empty() && !known.is_empty()) {
            return None;
        }
        for device in takers {
            let of_it = confirmed
                .iter()
                .find(|confirmed| confirmed.device == *device && confirmed.key == *key)?;
            if of_it.at >= oldest {
                let version = VersionVector::decode(&of_it.version).unwrap_or_default();
                common = common.intersection(&version);
            }
        }
        Some(common)
    }

    /// What is taken of peers from now on.
    pub(crate) fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// What a device takes is remembered: it holds up no history that it does not want. Best effort: it is told again at the next connection.
    pub(crate) async fn note_interest(&mut self, device: &[u8; 32], interest: &Interest) {
        let before = self.interests.insert(*device, interest.clone());
        if before.unwrap_or_default() == *interest {
            return;
        }
        if let Err(error) = self.disk.note_interest(device, &interest.encode()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what a peer takes could not be remembered"
            );
        }
    }

    /// Whether a device takes a document, as far as it has told.
    pub(crate) fn is_wanted_by(&self, device: &[u8; 32], key: &ShardKey) -> bool {
        self.interests
            .get(device)
            .is_none_or(|interest| interest.includes(key))
    }

    pub(crate) fn wants(&self, key: &ShardKey) -> bool {
        self.interest.includes(key)
    }

    /// Drops a document that is not wanted here, when somebody holds all of it. Whether it was dropped.
    ///
    /// One with nothing but own writes stays: it is what was sent to others, it is small, and to be known under one number in it is worth more than the room.
    pub(crate) async fn evict(&mut self, key: &ShardKey, held: &VersionVector) -> Result<bool, StoreError> {
        let Some(at) = self.place_of(key).filter(|_| !self.wants(key) && self.is_sure()) else {
            return Ok(false);
        };
        let own = self.owner.peer;
        if self.shards[at].version.keys().all(|writer| *writer == own) {
            return Ok(false);
        }
        if !held.includes_vv(&self.shards[at].version) {
            return Ok(false);
        }
        // Positions stay unique, though those who observed it are not told of each row.
        self.position += 1;
        // Whoever holds it knows our operations: what is written into it from now on must not be taken for them.
        let peer = random_peer();
        let removed = self
            .disk
            .remove_shard(self.shards[at].number, (self.position, peer))
            .await;
        removed.map_err(error::unavailable("save to its file"))?;
        let dropped = self.shards.remove(at);
        self.dropped.insert(dropped.key.collection);
        self.write_under(peer)
            .map_err(error::failed("write under another number"))?;
        give_back();
        Ok(true)
    }
}

impl Open {
    /// Whether its log is to be replaced by a snapshot, when there is nothing else to do or in any case.
    fn has_grown(&self, idle: bool) -> bool {
        let (log_bytes, touched) = if idle {
            (LOG_BYTES_MAX, TOUCHED_ROWS_MAX)
        } else {
            (LOG_BYTES_BUSY_MAX, TOUCHED_ROWS_BUSY_MAX)
        };
        self.log_bytes > log_bytes || self.touched > touched
    }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
