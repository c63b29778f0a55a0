//! What one device holds of the mesh: its shards, their index and the file that keeps them, as one state. See [`Replica`].
//!
//! One thing at a time: whoever calls has it for himself. A change is in memory first, and in the file before anybody hears of it; when the file fails, memory
//! is read from it anew. Not here: who asks (`engine`), what travels (`wire`).

mod carrying;
mod keeping;
mod losses;
mod merging;
mod own_writes;
mod read_ahead;
mod reading;
mod receipts;
mod writing;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::Path,
};

use ditto_sync_core::{
    intent::{BatchId, ReplicaId},
    store::{Overwritten, StoreError},
};
use loro::VersionVector;
use smol_str::SmolStr;

use self::{
    carrying::Waiting,
    own_writes::OwnWrites,
    read_ahead::ReadAhead,
    receipts::{Mark, Receipts},
};
pub(crate) use self::{merging::Taken, reading::News};
use crate::{
    data::{Copies, Copy, Row, Shard, ShardKey, Touched},
    disk::{Disk, Gaps, Life, Owner, StoredShard},
    error::{self, OpenError},
    index::{Index, Touch},
    interest::Interest,
};

/// All that one device holds.
pub(crate) struct Replica {
    disk: Disk,
    owner: Owner,
    shards: Vec<Open>,
    batches: HashMap<ReplicaId, u64>,
    devices: Vec<([u8; 32], Vec<u8>)>,
    /// What is taken of peers.
    interest: Interest,
    /// What devices take, as far as they have told.
    interests: HashMap<[u8; 32], Interest>,
    /// Collections of which something was dropped at some time: who observes them has seen rows that the index does not know.
    dropped: HashSet<SmolStr>,
    receipts: Receipts,
    /// What was read of rows when they changed.
    read_ahead: ReadAhead,
    /// Rows that may have to be carried over when more of the documents is here that they have left.
    waiting: Waiting,
    /// The newest reports of own writes that others have replaced, with their positions and collections.
    overwritten: VecDeque<(u64, SmolStr, Overwritten)>,
    /// Of the newest change.
    position: u64,
    /// Positions whose changes may have been lost.
    gaps: Gaps,
    /// The file has failed: what is in memory may not be what is in the file.
    doubtful: bool,
}

/// A shard in memory.
struct Open {
    number: i64,
    key: ShardKey,
    shard: Shard,
    index: Index,
    version: VersionVector,
    /// How many operations that is.
    operations: u64,
    /// Counts the changes since the start.
    generation: u64,
    /// Of the log since the snapshot.
    log_bytes: usize,
    /// Rows that were changed in memory since it was read.
    touched: usize,
    own_writes: OwnWrites,
}

/// How far one document is here.
pub(crate) struct Held<'a> {
    pub(crate) key: &'a ShardKey,
    pub(crate) version: &'a VersionVector,
    /// Changes with every change of it.
    pub(crate) generation: u64,
    pub(crate) digest: u64,
}

impl Replica {
    /// Opens what the file holds, or makes a new store of this mesh.
    pub(crate) async fn open(file: &Path, mesh: &str) -> Result<Self, OpenError> {
        let fresh = Owner {
            store: random_name()?,
            peer: random_peer(),
            mesh: mesh.to_owned(),
            key: random_bytes()?,
            secret: random_bytes()?,
            shared: false,
        };
        let mut replica = Self {
            disk: Disk::open(file, fresh.clone()).await?,
            owner: fresh,
            shards: Vec::new(),
            batches: HashMap::new(),
            devices: Vec::new(),
            interest: Interest::everything(),
            interests: HashMap::new(),
            dropped: HashSet::new(),
            receipts: Receipts::default(),
            read_ahead: ReadAhead::default(),
            waiting: Waiting::default(),
            overwritten: VecDeque::new(),
            position: 0,
            gaps: Gaps::default(),
            doubtful: false,
        };
        replica.load().await?;
        if replica.owner.mesh != mesh {
            return Err(OpenError::OtherMesh {
                found: replica.owner.mesh,
                wanted: mesh.to_owned(),
            });
        }
        let Life { position, gaps, peer } = replica.disk.begin_life(replica.position, random_peer()).await?;
        (replica.position, replica.gaps) = (position, gaps);
        if let Some(peer) = peer {
            tracing::warn!(
                "the store's file is not the one that was written last: it writes under another number"
            );
            replica.write_under(peer)?;
        }
        Ok(replica)
    }

    async fn load(&mut self) -> Result<(), OpenError> {
        let contents = self.disk.contents().await?;
        let peer = contents.owner.peer;
        self.read_ahead.clear();
        self.waiting = Waiting::default();
        self.shards = contents
            .shards
            .into_iter()
            .map(|stored| Open::of(stored, peer))
            .collect::<Result<_, _>>()?;
        self.owner = contents.owner;
        self.settle_receipts();
        for confirmed in contents.confirmed {
            let version = VersionVector::decode(&confirmed.version).unwrap_or_default();
            self.receipts.confirm(&confirmed.key, peer, &version);
        }
        self.batches = contents.batches;
        self.devices = contents.devices;
        self.wait_for_all();
        self.interests = contents.interests;
        self.dropped = contents.dropped;
        self.position = self
            .shards
            .iter()
            .map(|open| open.index.position())
            .max()
            .unwrap_or(0)
            .max(self.position);
        Ok(())
    }

    /// Reads everything from the file again, after it has failed, and writes under another number from now on.
    async fn sure(&mut self) -> Result<(), StoreError> {
        if self.is_sure() {
            return Ok(());
        }
        let peer = random_peer();
        self.disk
            .change_peer(peer)
            .await
            .map_err(error::unavailable("reopen its file"))?;
        self.load().await.map_err(error::failed("reopen its file"))?;
        self.doubtful = false;
        Ok(())
    }

    /// Whether what is in memory is what is in the file.
    fn is_sure(&self) -> bool {
        !self.doubtful && !self.shards.iter().any(|open| open.shard.is_broken())
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Devices that were met before this start: public key and addresses, encoded.
    pub(crate) fn devices(&self) -> &[([u8; 32], Vec<u8>)] {
        &self.devices
    }

    /// Remembers where a device is.
    pub(crate) async fn remember(&mut self, device: &[u8; 32], addresses: &[u8]) -> Result<(), StoreError> {
        let saved = self.disk.remember(device, addresses).await;
        saved.map_err(error::unavailable("remember a peer"))
    }

    /// Knows this secret from now on, which others know too.
    pub(crate) async fn change_secret(&mut self, secret: [u8; 32]) -> Result<(), StoreError> {
        let saved = self.disk.change_secret(&secret, true).await;
        saved.map_err(error::unavailable("save the secret of the mesh"))?;
        self.owner.secret = secret;
        self.owner.shared = true;
        Ok(())
    }

    /// The position of the newest change.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Positions that observers were told, and whose changes may have been lost.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    pub(crate) fn last_applied(&self, replica: ReplicaId) -> Option<u64> {
        self.batches.get(&replica).copied()
    }

    /// What was written so far counts as one for receipts.
    fn settle_receipts(&mut self) {
        self.receipts = Receipts::default();
        for at in 0..self.shards.len() {
            let mark = self.mark(&self.shards[at]);
            self.receipts.settle(mark);
        }
    }

    fn mark(&self, open: &Open) -> Mark {
        let writer = self.owner.peer;
        Mark {
            key: open.key.clone(),
            writer,
            operations: open.version.get(&writer).copied().unwrap_or(0),
        }
    }

    /// Somebody has told to hold this version of a document.
    pub(crate) fn note_held(&mut self, key: &ShardKey, version: &VersionVector) {
        let writer = self.owner.peer;
        self.receipts.confirm(key, writer, version);
    }

    /// Whether another device holds what a batch has written.
    pub(crate) fn is_confirmed(&self, batch: BatchId) -> bool {
        self.last_applied(batch.replica)
            .is_some_and(|last| batch.sequence <= last)
            && self.receipts.is_confirmed(batch)
    }

    /// How far each document is here.
    pub(crate) fn held(&self) -> impl Iterator<Item = Held<'_>> {
        let sure = self.is_sure();
        self.shards.iter().filter(move |_| sure).map(Held::of)
    }

    /// How far this document is here.
    pub(crate) fn held_of(&self, key: &ShardKey) -> Option<Held<'_>> {
        self.find(key).filter(|_| self.is_sure()).map(Held::of)
    }

    /// The rows of which the index, or what was read of them, is not what their documents say: there must be none.
    #[cfg(test)]
    pub(crate) fn unsound(&self) -> Vec<String> {
        let sure = self.shards.iter().filter(|_| self.is_sure());
        let rows = sure.flat_map(|open| open.index.names().map(move |name| (open, name)));
        let is_unsound = |(open, name): &(&Open, &SmolStr)| {
            let (row, digest) = open.shard.read(name);
            let changed = open.index.changed(name);
            let ahead = changed.and_then(|position| self.read_ahead.get(position));
            let is_read = ahead.is_none_or(|ahead| ahead.row.bytes() == row.bytes());
            open.index.digest_of(name) != Some(digest) || !is_read
        };
        let unsound = rows.filter(is_unsound);
        unsound
            .map(|(open, name)| format!("{} {name}", open.key))
            .collect()
    }

    pub(crate) async fn close(self) {
        self.disk.close(self.position).await;
    }

    /// All that is held of the row of this name.
    fn copies(&self, collection: &str, name: &str) -> Copies {
        let mut copies = Copies::default();
        for open in self.shards_of(collection) {
            if open.index.contains(name) {
                copies.add(self.copy_in(open, open.shard.row(name)));
            }
        }
        copies
    }

    /// A row of a document, to be put together with what others have of it.
    fn copy_in(&self, open: &Open, row: Row) -> Copy {
        Copy {
            partition: open.key.partition.clone(),
            operations: open.operations,
            is_taken: self.wants(&open.key),
            row,
        }
    }

    /// The documents of a collection.
    fn shards_of(&self, collection: &str) -> impl Iterator<Item = &Open> {
        self.shards
            .iter()
            .filter(move |open| open.key.collection == collection)
    }

    fn find(&self, key: &ShardKey) -> Option<&Open> {
        self.shards.iter().find(|open| open.key == *key)
    }

    fn place_of(&self, key: &ShardKey) -> Option<usize> {
        self.shards.iter().position(|open| open.key == *key)
    }
}

impl<'a> Held<'a> {
    fn of(open: &'a Open) -> Self {
        Self {
            key: &open.key,
            version: &open.version,
            generation: open.generation,
            digest: open.index.digest(),
        }
    }
}

impl Open {
    fn new((number, key): (i64, ShardKey), shard: Shard, index: Index) -> Self {
        Self {
            number,
            key,
            operations: count(&shard.version()),
            version: shard.version(),
            shard,
            index,
            generation: 0,
            log_bytes: 0,
            touched: 0,
            own_writes: OwnWrites::default(),
        }
    }

    fn of(stored: StoredShard, peer: u64) -> Result<Self, OpenError> {
        let shard = match &stored.snapshot {
            Some(snapshot) => Shard::from_snapshot(snapshot, peer)?,
            None => Shard::empty(peer)?,
        };
        let mut touched = 0;
        for update in &stored.log {
            touched += shard.import(update)?.touched.len();
        }
        let mut open = Self::new((stored.number, stored.key), shard, stored.index);
        open.log_bytes = stored.log.iter().map(Vec::len).sum();
        open.touched = touched;
        Ok(open)
    }

    /// Notes which rows have just changed, and keeps what it reads of them.
    fn touch(
        &mut self,
        rows: impl IntoIterator<Item = Touched>,
        (position, read_ahead): (&mut u64, &mut ReadAhead),
        own: bool,
    ) -> Vec<Touch> {
        self.version = self.shard.version();
        self.operations = count(&self.version);
        self.generation += 1;
        let touches: Vec<Touch> = rows
            .into_iter()
            .map(|Touched { name, written }| {
                *position += 1;
                // What was written is all of a row that is new.
                let written = written.filter(|_| !self.index.contains(&name));
                let (row, digest) = written.unwrap_or_else(|| self.shard.read(&name));
                read_ahead.keep(*position, row);
                let touch = Touch {
                    digest,
                    name,
                    position: *position,
                    own,
                };
                self.index.touch(&touch);
                touch
            })
            .collect();
        self.touched += touches.len();
        touches
    }
}

fn count(version: &VersionVector) -> u64 {
    let counts = version.values().map(|count| u64::try_from(*count).unwrap_or(0));
    counts.sum()
}

fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], OpenError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(std::io::Error::other(error)))?;
    Ok(bytes)
}

fn random_name() -> Result<SmolStr, OpenError> {
    Ok(format!("{:032x}", u128::from_le_bytes(random_bytes()?)).into())
}

/// Loro keeps the biggest number for itself.
fn random_peer() -> u64 {
    fastrand::u64(1..u64::MAX)
}
