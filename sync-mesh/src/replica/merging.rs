//! What a replica takes from peers and what it has for them: updates in pieces, and whole documents where updates do not do.

use ditto_sync_core::store::StoreError;
use loro::VersionVector;
use smol_str::SmolStr;

use super::{Open, Replica, random_peer};
use crate::{
    data::{Chunk, Searched, Shard, ShardError, Update, id_of},
    disk::{Change, Replacement},
    error,
    limits::OVERWRITTEN_MAX,
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
    /// Nobody here wants this collection.
    Unwanted,
}

impl Replica {
    /// Merges an update of a peer, and keeps it.
    pub(crate) async fn import(&mut self, collection: &str, update: Update) -> Result<Taken, StoreError> {
        self.sure().await?;
        if !self.wants(collection) {
            return Ok(Taken::Unwanted);
        }
        let range = update.range();
        let (start, end) = range.map_err(error::failed("read the update of a peer"))?;
        if self.is_ahead_of_us(collection, end) {
            return Ok(Taken::Useless);
        }
        let held = self.find(collection).map(|open| &open.version);
        if !held.unwrap_or(&VersionVector::new()).includes_vv(start) {
            return Ok(Taken::Gap);
        }
        let at = self.shard_for_writing(collection).await?;
        let own = self.owner.peer;
        let open = &mut self.shards[at];
        open.own_writes.catch_up(&open.shard, own, &open.version);
        let before = open.version.clone();
        let imported = match open.shard.import(&update.bytes) {
            Ok(imported) => imported,
            Err(ShardError::Trimmed) => return Ok(Taken::Useless),
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
        let names = imported.touched.into_iter().filter(|name| id_of(name).is_some());
        self.doubtful = true;
        let rows = open.touch(
            names.map(SmolStr::from),
            (&mut self.position, &mut self.read_ahead),
            false,
        );
        let mut searched = Searched::default();
        for touch in &rows {
            let since = (&before, &mut searched);
            if let Some(lost) = open.own_writes.overwritten(&open.shard, &touch.name, since) {
                self.overwritten
                    .push_back((touch.position, open.collection.clone(), lost));
            }
        }
        while self.overwritten.len() > OVERWRITTEN_MAX {
            self.overwritten.pop_front();
        }
        let end = end.clone();
        let change = Change {
            shard: open.number,
            update: update.bytes,
            rows,
        };
        self.keep(vec![change], None).await?;
        Ok(Taken::All(end))
    }

    /// Whether somebody has more operations under our number than we have ourselves: then this store, or a copy of it, was an older one.
    pub(crate) fn is_ahead_of_us(&self, collection: &str, version: &VersionVector) -> bool {
        let own = self.owner.peer;
        let ours = self.find(collection).and_then(|open| open.version.get(&own));
        version
            .get(&own)
            .is_some_and(|theirs| *theirs > ours.copied().unwrap_or(0))
    }

    /// The next piece of what somebody who holds `version` of a collection lacks; `None` when there is nothing.
    pub(crate) fn chunk(
        &self,
        collection: &str,
        version: &VersionVector,
        size: (usize, usize),
    ) -> Result<Option<Chunk>, StoreError> {
        let Some(open) = self.find(collection).filter(|_| self.is_sure()) else {
            return Ok(None);
        };
        open.shard
            .chunk(version, size)
            .map_err(error::failed("export an update"))
    }

    /// Whether somebody who holds `version` is behind what was trimmed here, so that no update helps.
    pub(crate) fn is_behind_trim(&self, collection: &str, version: &VersionVector) -> bool {
        self.find(collection)
            .is_some_and(|open| !version.includes_vv(&open.shard.trimmed_to()))
    }

    /// All of a collection, and the version that it is of; `None` when there is nothing.
    pub(crate) fn snapshot(&self, collection: &str) -> Result<Option<(Vec<u8>, VersionVector)>, StoreError> {
        let Some(open) = self.find(collection).filter(|_| self.is_sure()) else {
            return Ok(None);
        };
        let (bytes, _) = open.shard.snapshot().map_err(error::failed("make a snapshot"))?;
        Ok(Some((bytes, open.version.clone())))
    }

    /// Takes a peer's snapshot in place of a collection, with what only we have written into it anew, and writes under another number from now on.
    ///
    /// False, and nothing has changed, when versions are equal (`diverged`) and it is not our own operations that differ: only who wrote them can write them anew exactly once.
    pub(crate) async fn reset(
        &mut self,
        collection: &str,
        snapshot: &[u8],
        diverged: bool,
    ) -> Result<bool, StoreError> {
        self.sure().await?;
        let peer = random_peer();
        let failed = || error::failed("take over the snapshot of a peer");
        let new = Shard::from_foreign_snapshot(snapshot, peer).map_err(failed())?;
        let at = self.shard_for_writing(collection).await?;
        let own = self.owner.peer;
        if !new.version().includes_vv(&self.shards[at].shard.trimmed_to()) {
            // What it lacks was trimmed here, so it cannot be told from what it has replaced: the peer has to take over ours.
            tracing::warn!(%collection, "a snapshot of a peer is older than what was trimmed here");
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
        open.touch(changed, (&mut self.position, &mut self.read_ahead), false);
        let replacement = Replacement {
            shard: open.number,
            snapshot: &bytes,
            rows: open.index.encode(),
            position: self.position,
            peer,
        };
        let saved = self.disk.replace(replacement).await;
        saved.map_err(error::unavailable("save to its file"))?;
        open.log_bytes = 0;
        open.touched = 0;
        self.write_under(peer).map_err(failed())?;
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
