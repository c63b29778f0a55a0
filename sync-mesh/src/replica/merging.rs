//! What a replica takes from peers and what it has for them: updates in pieces, and whole documents where updates do not do.

use ditto_sync_core::store::StoreError;
use loro::VersionVector;
use smol_str::SmolStr;

use super::{Open, Replica, random_peer};
use crate::{
    data::{Chunk, Shard, ShardError, ShardKey, Touched, Update, id_of},
    disk::{Change, Replacement},
    error,
    limits::SHARDS_MAX,
};

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of it is here, up to this version of those whose operations it holds.
    All(VersionVector),
    /// Some of it builds on updates that are not here. Nothing was taken.
    Gap,
    /// It cannot be used: it builds on history that was trimmed here, or holds operations under our number that we do not know. A snapshot helps.
    Useless,
    /// Nobody here wants this document.
    Unwanted,
}

impl Replica {
    /// Merges an update of a peer, and keeps it.
    pub(crate) async fn import(&mut self, key: &ShardKey, update: Update) -> Result<Taken, StoreError> {
        self.sure().await?;
        if !self.wants(key) || !self.has_room_for(key) {
            return Ok(Taken::Unwanted);
        }
        let range = update.range();
        let (start, end) = range.map_err(error::failed("read the update of a peer"))?;
        if self.is_ahead_of_us(key, end) {
            return Ok(Taken::Useless);
        }
        let held = self.find(key).map(|open| &open.version);
        if !held.unwrap_or(&VersionVector::new()).includes_vv(start) {
            return Ok(Taken::Gap);
        }
        let at = self.shard_for_writing(key).await?;
        let own = self.owner.peer;
        let open = &mut self.shards[at];
        open.own_writes.catch_up(&open.shard, own, &open.version);
        let before = open.version.clone();
        let imported = match open.shard.import(&update.bytes) {
            Ok(imported) => imported,
            Err(ShardError::Trimmed) => {
                // Loro may have merged a part of it, which is not in the file: the document is read from there again.
                self.doubtful = open.shard.version() != open.version;
                return Ok(Taken::Useless);
            }
            Err(error) => {
                // Who knows what is left of the document: it is read from the file again.
                self.doubtful = true;
                return Err(error::failed("merge the update of a peer")(error));
            }
        };
        if imported.gap {
            // Loro keeps what waits and would merge it with something else, and panics when it meets the two in another order: the document is read from the file again.
            self.doubtful = true;
            return Ok(Taken::Gap);
        }
        if open.shard.version() == open.version {
            return Ok(Taken::All(end.clone()));
        }
        // Whatever is no name of ours stays in the document and is shown to nobody.
        let rows = imported.touched.into_iter();
        let rows = rows.filter(|touched| id_of(&touched.name).is_some());
        self.doubtful = true;
        let rows = open.touch(rows, (&mut self.position, &mut self.read_ahead), false);
        let end = end.clone();
        let change = Change {
            shard: open.number,
            update: update.bytes,
            rows,
            own: false,
        };
        self.note_overwritten(at, &change.rows, &before);
        let changes = self.with_carried(at, change)?;
        self.keep(changes, None).await?;
        Ok(Taken::All(end))
    }

    /// A change of a peer, and what has to be carried over because of it.
    fn with_carried(&mut self, at: usize, change: Change) -> Result<Vec<Change>, StoreError> {
        let collection = self.shards[at].key.collection.clone();
        let names = change.rows.iter().map(|touch| touch.name.clone());
        let mut moved = self.have_moved(at, names);
        moved.extend(self.waiting.take(&collection));
        moved.sort_unstable();
        moved.dedup();
        self.note_lost_moves(&collection, &moved);
        let carried = self.carry_over(&collection, &moved)?;
        self.note_replaced(&carried);
        let mut changes = vec![change];
        changes.extend(carried);
        Ok(changes)
    }

    /// Whether a document may be kept that is not here yet.
    fn has_room_for(&self, key: &ShardKey) -> bool {
        let has_room = self.shards.len() < SHARDS_MAX || self.find(key).is_some();
        if !has_room {
            tracing::warn!(shard = %key, "a peer has more partitions than a store can hold: this one is not taken");
        }
        has_room
    }

    /// Whether somebody has more operations under our number than we have ourselves: then this store, or a copy of it, was an older one.
    pub(crate) fn is_ahead_of_us(&self, key: &ShardKey, version: &VersionVector) -> bool {
        let own = self.owner.peer;
        let ours = self.find(key).and_then(|open| open.version.get(&own));
        version
            .get(&own)
            .is_some_and(|theirs| *theirs > ours.copied().unwrap_or(0))
    }

    /// The next piece of what somebody who holds `version` of a document lacks; `None` when there is nothing.
    pub(crate) fn chunk(
        &self,
        key: &ShardKey,
        version: &VersionVector,
        size: (usize, usize),
    ) -> Result<Option<Chunk>, StoreError> {
        let Some(open) = self.find(key).filter(|_| self.is_sure()) else {
            return Ok(None);
        };
        open.shard
            .chunk(version, size)
            .map_err(error::failed("export an update"))
    }

    /// Whether somebody who holds `version` is behind what was trimmed here, so that no update helps.
    pub(crate) fn is_behind_trim(&self, key: &ShardKey, version: &VersionVector) -> bool {
        self.find(key)
            .is_some_and(|open| !version.includes_vv(&open.shard.trimmed_to()))
    }

    /// All of a document, and the version that it is of; `None` when there is nothing.
    pub(crate) fn snapshot(&self, key: &ShardKey) -> Result<Option<(Vec<u8>, VersionVector)>, StoreError> {
        let Some(open) = self.find(key).filter(|_| self.is_sure()) else {
            return Ok(None);
        };
        let (bytes, _) = open.shard.snapshot().map_err(error::failed("make a snapshot"))?;
        Ok(Some((bytes, open.version.clone())))
    }

    /// Takes a peer's snapshot in place of a document, with what only we have written into it anew, and writes under another number from now on.
    ///
    /// False, and nothing has changed, when versions are equal (`diverged`) and it is not our own operations that differ: only who wrote them can write them anew exactly once.
    pub(crate) async fn reset(
        &mut self,
        key: &ShardKey,
        snapshot: &[u8],
        diverged: bool,
    ) -> Result<bool, StoreError> {
        self.sure().await?;
        if !self.has_room_for(key) {
            return Ok(true);
        }
        let peer = random_peer();
        let failed = || error::failed("take over the snapshot of a peer");
        let new = Shard::from_foreign_snapshot(snapshot, peer).map_err(failed())?;
        let at = self.shard_for_writing(key).await?;
        let own = self.owner.peer;
        if !new.version().includes_vv(&self.shards[at].shard.trimmed_to()) {
            // What it lacks was trimmed here, so it cannot be told from what it has replaced: the peer has to take over ours.
            tracing::warn!(shard = %key, "a snapshot of a peer is older than what was trimmed here");
            return Ok(true);
        }
        if diverged && !self.shards[at].shard.is_forked(&new, own) {
            return Ok(false);
        }
        self.shards[at].shard.rebase_onto(&new, own).map_err(failed())?;
        let (bytes, new) = new.snapshot().map_err(failed())?;
        self.doubtful = true;
        let open = &mut self.shards[at];
        open.shard = new;
        let changed = differing(open);
        // Only the differences are changes, for those who observe.
        open.touch(
            changed.iter().cloned().map(Touched::unread),
            (&mut self.position, &mut self.read_ahead),
            false,
        );
        open.log_bytes = 0;
        open.touched = 0;
        let (number, rows) = (open.number, open.index.encode());
        self.write_under(peer).map_err(failed())?;
        let moved = self.have_moved(at, changed);
        let carried = self.carry_over(&key.collection, &moved)?;
        let replacement = Replacement {
            shard: number,
            snapshot: &bytes,
            rows,
            position: self.position,
            peer,
        };
        let saved = self.disk.replace(replacement, &carried).await;
        saved.map_err(error::unavailable("save to its file"))?;
        self.doubtful = false;
        Ok(true)
    }

    /// Writes under this number from now on, which the file has already.
    pub(super) fn write_under(&mut self, peer: u64) -> Result<(), ShardError> {
        self.owner.peer = peer;
        for open in &self.shards {
            open.shard.change_peer(peer)?;
        }
        self.settle_receipts();
        Ok(())
    }
}

/// The rows that hold something else than the index says.
fn differing(open: &Open) -> Vec<SmolStr> {
    let mut names: Vec<SmolStr> = open.shard.names();
    names.extend(open.index.names().cloned());
    names.sort_unstable();
    names.dedup();
    names.retain(|name| open.index.digest_of(name) != Some(open.shard.digest(name)));
    names
}
