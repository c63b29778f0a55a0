//! What is remembered of one connected peer: [`Link`].

use std::collections::{HashMap, VecDeque};

use ditto_sync_core::store::StoreError;
use loro::VersionVector;
use tokio::time::Instant;

use super::Device;
use crate::{
    data::ShardKey,
    error,
    interest::Interest,
    limits::{
        CHUNK_BYTES_MAX, CHUNK_OPERATIONS, CONFIRM_DELAY, CONFIRM_PAUSE, PUSH_PAUSE, SHARDS_NAMED_MAX,
        SNAPSHOT_BYTES_MAX, SNAPSHOT_PART_BYTES,
    },
    message::{Message, Told},
    replica::{Held, Replica},
};

/// One connected peer.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) device: Device,
    /// It knows what we want.
    pub(super) introduced: bool,
    /// What it wants.
    pub(super) interest: Interest,
    pub(super) tell: Tell,
    /// Documents of which we want a snapshot, to be asked for.
    pub(super) wants: VecDeque<ShardKey>,
    /// Documents of which it wants a snapshot.
    wanted: VecDeque<ShardKey>,
    /// Updates and snapshots taken of it.
    pub(super) received: u64,
    /// When there will be something to say that it is too early for.
    pub(super) due: Option<Instant>,
    /// It has told how far it is: nothing is sent before.
    known: bool,
    shards: HashMap<ShardKey, Remote>,
    /// Updates and snapshots sent to it.
    sent: u64,
    /// When it is told next, if something has changed.
    tell_at: Option<Instant>,
    /// It is told nothing before.
    tell_from: Option<Instant>,
    outgoing: Option<Outgoing>,
    /// The snapshot whose parts are coming.
    incoming: Option<(ShardKey, Vec<u8>)>,
}

/// Whether it is to be told how far we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Nothing,
    /// What has changed since it was told last.
    Changes,
    Everything,
}

/// How far it is in one document.
#[derive(Debug, Default)]
struct Remote {
    /// It has said so.
    confirmed: VersionVector,
    /// It was sent so much.
    hoped: VersionVector,
    /// Our generation when there was nothing more to send.
    complete_at: Option<u64>,
    /// Our generation when it was told our version.
    told_at: Option<u64>,
    /// It has confirmed something that was not kept.
    news: bool,
    /// Nothing more is sent before.
    push_from: Option<Instant>,
}

/// A snapshot on its way.
#[derive(Debug)]
struct Outgoing {
    shard: ShardKey,
    bytes: Vec<u8>,
    at: usize,
    version: VersionVector,
}

impl Link {
    pub(super) fn new(device: Device) -> Self {
        Self {
            device,
            introduced: false,
            interest: Interest::everything(),
            tell: Tell::Everything,
            wants: VecDeque::new(),
            wanted: VecDeque::new(),
            received: 0,
            due: None,
            known: false,
            shards: HashMap::new(),
            sent: 0,
            tell_at: None,
            tell_from: None,
            outgoing: None,
            incoming: None,
        }
    }

    /// It has told how far it is.
    pub(super) fn learn(&mut self, (received, complete): (u64, bool), told: &[Told]) {
        self.known |= complete;
        // Nothing of ours is on its way: what it lacks now got lost.
        let settled = received >= self.sent;
        if complete && settled {
            for remote in self.shards.values_mut() {
                remote.hoped = VersionVector::new();
                remote.complete_at = None;
            }
        }
        for told in told {
            if self.shards.len() >= SHARDS_NAMED_MAX && !self.shards.contains_key(&told.shard) {
                continue;
            }
            let remote = self.shards.entry(told.shard.clone()).or_default();
            remote.news |= !remote.confirmed.includes_vv(&told.version);
            remote.confirmed.clone_from(&told.version);
            if settled {
                if !told.version.includes_vv(&remote.hoped) {
                    remote.complete_at = None;
                }
                remote.hoped.clone_from(&told.version);
            } else {
                remote.hoped.merge(&told.version);
            }
        }
    }

    /// It holds this, for it has sent it.
    pub(super) fn has(&mut self, shard: &ShardKey, end: &VersionVector) {
        if let Some(remote) = self.shards.get_mut(shard) {
            remote.hoped.merge(end);
        }
    }

    /// It is to be told what has changed, when it is time.
    pub(super) fn tell_changes(&mut self) {
        if self.tell == Tell::Nothing {
            self.tell = Tell::Changes;
        }
    }

    pub(super) fn forget_completeness(&mut self) {
        for remote in self.shards.values_mut() {
            remote.complete_at = None;
        }
    }

    /// What it has confirmed since this was asked last.
    pub(super) fn newly_confirmed(&mut self) -> Vec<(Device, ShardKey, VersionVector)> {
        let device = self.device;
        let fresh = |(shard, remote): (&ShardKey, &mut Remote)| {
            std::mem::take(&mut remote.news).then(|| (device, shard.clone(), remote.confirmed.clone()))
        };
        self.shards.iter_mut().filter_map(fresh).collect()
    }

    /// What it has confirmed.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&ShardKey, &VersionVector)> {
        let shards = self.shards.iter();
        shards.map(|(shard, remote)| (shard, &remote.confirmed))
    }

    /// What it has confirmed of one document.
    pub(super) fn version(&self, shard: &ShardKey) -> Option<&VersionVector> {
        self.shards.get(shard).map(|remote| &remote.confirmed)
    }

    /// A part of a snapshot; the whole, when it is the last.
    pub(super) fn assemble(
        &mut self,
        shard: &ShardKey,
        part: &[u8],
        last: bool,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut incoming = self
            .incoming
            .take()
            .unwrap_or_else(|| (shard.clone(), Vec::new()));
        let refused = error::failed("take a snapshot of a peer");
        if incoming.0 != *shard {
            return Err(refused("another one began before its end"));
        }
        if incoming.1.len() + part.len() > SNAPSHOT_BYTES_MAX {
            return Err(refused("it is too large"));
        }
        incoming.1.extend_from_slice(part);
        if last {
            return Ok(Some(incoming.1));
        }
        self.incoming = Some(incoming);
        Ok(None)
    }

    /// It wants a snapshot.
    pub(super) fn note_wanted(&mut self, shard: ShardKey) {
        if self.wanted.len() < SHARDS_NAMED_MAX && !self.wanted.contains(&shard) {
            self.wanted.push_back(shard);
        }
    }

    /// Whether it gets a snapshot instead of updates.
    pub(super) fn is_behind_trim(&self, shard: &ShardKey, replica: &Replica) -> bool {
        let remote = self.shards.get(shard);
        remote.is_none_or(|remote| replica.is_behind_trim(shard, &remote.confirmed))
    }

    /// Whether it is to be told now how far we are.
    pub(super) fn is_about_to_tell(&mut self, now: Instant) -> bool {
        match self.tell {
            Tell::Nothing => false,
            Tell::Changes => now >= self.time_to_tell(now),
            Tell::Everything => true,
        }
    }

    /// When it is told what has changed: soon, but whoever waits for the change itself comes first.
    fn time_to_tell(&mut self, now: Instant) -> Instant {
        let soon = now + CONFIRM_DELAY;
        let soon = self.tell_from.map_or(soon, |from| from.max(soon));
        *self.tell_at.get_or_insert(soon)
    }

    /// How far we are, if it is to be told now.
    pub(super) fn tell(&mut self, replica: &Replica, now: Instant) -> Option<Message> {
        if !self.is_about_to_tell(now) {
            self.due = earliest(self.due, self.tell_at);
            return None;
        }
        self.tell_at = None;
        let complete = std::mem::replace(&mut self.tell, Tell::Nothing) == Tell::Everything;
        self.tell_from = Some(now + CONFIRM_PAUSE);
        let mut shards = Vec::new();
        for held in replica.held() {
            let remote = self.shards.entry(held.key.clone()).or_default();
            if !complete && remote.told_at == Some(held.generation) {
                continue;
            }
            remote.told_at = Some(held.generation);
            shards.push(Told {
                shard: held.key.clone(),
                version: held.version.clone(),
                digest: held.digest,
            });
        }
        Some(Message::Versions {
            received: self.received,
            complete,
            shards,
        })
    }

    /// The next part of a snapshot that it wants or needs.
    pub(super) fn next_part(&mut self, replica: &Replica) -> Result<Option<Message>, StoreError> {
        while self.outgoing.is_none() {
            let Some(shard) = self.wanted.pop_front() else {
                return Ok(None);
            };
            if let Some((bytes, version)) = replica.snapshot(&shard)? {
                self.outgoing = Some(Outgoing {
                    shard,
                    bytes,
                    at: 0,
                    version,
                });
            }
        }
        let Some(outgoing) = &mut self.outgoing else {
            return Ok(None);
        };
        let end = outgoing.bytes.len().min(outgoing.at + SNAPSHOT_PART_BYTES);
        let message = Message::Snapshot {
            shard: outgoing.shard.clone(),
            part: outgoing.bytes[outgoing.at..end].to_vec(),
            last: end == outgoing.bytes.len(),
        };
        outgoing.at = end;
        if end == outgoing.bytes.len()
            && let Some(sent) = self.outgoing.take()
        {
            self.sent += 1;
            let remote = self.shards.entry(sent.shard).or_default();
            remote.hoped.merge(&sent.version);
        }
        Ok(Some(message))
    }

    /// The next update that it lacks, of the documents that are `open`.
    pub(super) fn next_update(
        &mut self,
        replica: &Replica,
        now: Instant,
        open: impl Fn(&Held<'_>) -> bool,
    ) -> Result<Option<Message>, StoreError> {
        if !self.known {
            return Ok(None);
        }
        for held in replica.held().filter(open) {
            if !self.interest.includes(held.key) {
                continue;
            }
            let remote = self.shards.entry(held.key.clone()).or_default();
            if remote.complete_at == Some(held.generation) {
                continue;
            }
            if remote.hoped.includes_vv(held.version) {
                remote.complete_at = Some(held.generation);
                continue;
            }
            if let Some(from) = remote.push_from.filter(|from| now < *from) {
                self.due = earliest(self.due, Some(from));
                continue;
            }
            if replica.is_behind_trim(held.key, &remote.hoped) {
                self.wanted.push_back(held.key.clone());
                return self.next_part(replica);
            }
            let size = (CHUNK_OPERATIONS, CHUNK_BYTES_MAX);
            let Some(chunk) = replica.chunk(held.key, &remote.hoped, size)? else {
                continue;
            };
            // Hoped: it is on its way.
            remote.hoped.merge(&chunk.end);
            self.sent += 1;
            if !chunk.more {
                remote.complete_at = Some(held.generation);
                remote.push_from = Some(now + PUSH_PAUSE);
            }
            return Ok(Some(Message::Update {
                shard: held.key.clone(),
                update: chunk.update.into(),
            }));
        }
        Ok(None)
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
