//! What has to be said to which peer: [`Exchange`]. Plain state without IO: messages in, messages out.
//!
//! Of each peer it is remembered how far that peer is known, and hoped, to be. Whatever is newer here is sent, whoever wrote it, so changes travel over several hops; a
//! peer that has it already is sent nothing, so they do not run in circles. There is no queue: a slow peer gets in one update all that is new when it is ready. What was
//! hoped wrongly (a connection broke) is corrected by the versions that each side tells at the start, after what it has taken, and from time to time.

mod link;
mod progress;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ditto_sync_core::store::StoreError;
use loro::VersionVector;
use tokio::time::Instant;

use self::link::{Link, Tell};
use crate::{
    data::{ShardKey, Update},
    message::{Message, Told},
    replica::{Held, Replica, Taken},
};

/// One connection to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// The public key of a device.
pub(crate) type Device = [u8; 32];

/// The peers that are connected, and how far each is.
#[derive(Debug)]
pub(crate) struct Exchange {
    own: Device,
    links: BTreeMap<LinkId, Link>,
    /// Documents of which a snapshot was asked for. Until it is here they take and give nothing.
    awaited: BTreeMap<ShardKey, LinkId>,
    /// Of them, those that were asked for because equal versions held different values.
    diverged: BTreeSet<ShardKey>,
    /// What devices that are gone have told, by document.
    past: HashMap<Device, HashMap<ShardKey, VersionVector>>,
    /// Counts what may have changed how far somebody is.
    events: u64,
}

impl Exchange {
    /// The exchange of this device.
    pub(crate) fn new(own: Device) -> Self {
        Self {
            own,
            links: BTreeMap::new(),
            awaited: BTreeMap::new(),
            diverged: BTreeSet::new(),
            past: HashMap::new(),
            events: 0,
        }
    }

    pub(crate) fn own(&self) -> &Device {
        &self.own
    }

    pub(crate) fn connect(&mut self, link: LinkId, device: Device) {
        self.links.insert(link, Link::new(device));
    }

    /// What the device had confirmed.
    pub(crate) fn disconnect(&mut self, link: LinkId) -> Vec<(Device, ShardKey, VersionVector)> {
        self.awaited.retain(|_, awaited| *awaited != link);
        self.diverged.retain(|shard| self.awaited.contains_key(shard));
        self.events += 1;
        let Some(mut gone) = self.links.remove(&link) else {
            return Vec::new();
        };
        let versions = gone
            .versions()
            .map(|(shard, version)| (shard.clone(), version.clone()));
        self.past.insert(gone.device, versions.collect());
        gone.newly_confirmed()
    }

    /// What all devices that are connected have confirmed since this was asked last.
    pub(crate) fn confirmed(&mut self) -> Vec<(Device, ShardKey, VersionVector)> {
        self.links.values_mut().flat_map(Link::newly_confirmed).collect()
    }

    /// Changes when a device has told something, or is gone.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Every peer is told how far we are: what got lost on the way is noticed by that.
    pub(crate) fn remind(&mut self) {
        for link in self.links.values_mut() {
            link.tell = Tell::Everything;
        }
    }

    /// Every peer is told what we want.
    pub(crate) fn change_interest(&mut self) {
        for link in self.links.values_mut() {
            link.introduced = false;
            link.tell = Tell::Everything;
        }
    }

    /// Whether a device has told that it holds this version of a document.
    pub(crate) fn is_held(&self, shard: &ShardKey, version: &VersionVector) -> bool {
        let told = self.links.values().filter_map(|link| link.version(shard));
        let past = self.past.values().filter_map(|versions| versions.get(shard));
        told.chain(past).any(|told| told.includes_vv(version))
    }

    pub(crate) fn is_connected(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// When a link that was asked too early has something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.links.values().filter_map(|link| link.due).min()
    }

    /// Whether somebody is told now how far we are, so that all of it has to survive a power loss.
    pub(crate) fn is_about_to_tell(&mut self, now: Instant) -> bool {
        self.links.values_mut().any(|link| link.is_about_to_tell(now))
    }

    /// Takes a message of a peer.
    pub(crate) async fn receive(
        &mut self,
        from: LinkId,
        message: Message,
        replica: &mut Replica,
    ) -> Result<(), StoreError> {
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        match message {
            Message::Interest(interest) => {
                let device = link.device;
                link.forget_completeness();
                link.interest = interest;
                replica.note_interest(&device, &link.interest).await;
                self.events += 1;
            }
            Message::Versions {
                received,
                complete,
                shards,
            } => {
                link.learn((received, complete), &shards);
                self.events += 1;
                for told in shards {
                    replica.note_held(&told.shard, &told.version);
                    self.compare(from, &told, replica).await?;
                }
            }
            Message::Update { shard, update } => {
                link.received += 1;
                link.tell_changes();
                self.take_update(from, shard, update, replica).await?;
            }
            Message::Snapshot { shard, part, last } => {
                if let Some(snapshot) = link.assemble(&shard, &part, last)? {
                    link.received += 1;
                    link.tell_changes();
                    self.take_snapshot(from, shard, &snapshot, replica).await?;
                }
            }
            Message::Want { shard } => link.note_wanted(shard),
        }
        Ok(())
    }

    async fn take_update(
        &mut self,
        from: LinkId,
        shard: ShardKey,
        update: Update,
        replica: &mut Replica,
    ) -> Result<(), StoreError> {
        if self.awaited.contains_key(&shard) {
            // It comes again when the snapshot is here.
            return Ok(());
        }
        let taken = replica.import(&shard, update).await?;
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        match taken {
            Taken::All(end) => link.has(&shard, &end),
            // After a gap the peer has to know where to begin.
            Taken::Gap => link.tell = Tell::Everything,
            // One that is behind our trim gets our snapshot, and sends what it has upon that; also if it takes nothing else of the document.
            Taken::Useless if link.is_behind_trim(&shard, replica) => {
                if !link.interest.includes(&shard) {
                    link.note_wanted(shard);
                }
            }
            Taken::Useless => self.want(from, shard),
            Taken::Unwanted => {}
        }
        Ok(())
    }

    /// A snapshot that was asked for counts whether the document is wanted or not, and so does one of a document that is here: it brings own writes in order.
    async fn take_snapshot(
        &mut self,
        from: LinkId,
        shard: ShardKey,
        snapshot: &[u8],
        replica: &mut Replica,
    ) -> Result<(), StoreError> {
        let asked = self.awaited.remove(&shard).is_some();
        if !asked && !replica.wants(&shard) && replica.held_of(&shard).is_none() {
            return Ok(());
        }
        let diverged = self.diverged.remove(&shard) && asked;
        if !replica.reset(&shard, snapshot, diverged).await?
            && let Some(link) = self.links.get_mut(&from)
        {
            // It is not our writes that differ: the peer takes over ours.
            link.note_wanted(shard);
        }
        Ok(())
    }

    /// What a peer's version of a document means for ours.
    async fn compare(&mut self, from: LinkId, told: &Told, replica: &mut Replica) -> Result<(), StoreError> {
        let shard = &told.shard;
        if replica.is_ahead_of_us(shard, &told.version) {
            tracing::warn!(%shard, "a peer has more of our own changes than we have: this store was restored or copied; it takes over the peer's state and writes under a new number");
            self.want(from, shard.clone());
            return Ok(());
        }
        if !replica.wants(shard) {
            // Two who do not want it must not both leave it to the other.
            let keeps = |link: &Link| link.interest.includes(shard);
            let is_kept = self.links.get(&from).is_some_and(keeps);
            if is_kept && replica.evict(shard, &told.version).await? {
                tracing::info!(%shard, "what is not wanted any more was dropped: a peer holds it");
            }
            return Ok(());
        }
        let ours = replica.held_of(shard);
        let diverged = ours.is_some_and(|held| *held.version == told.version && held.digest != told.digest);
        if diverged {
            tracing::error!(%shard, "a peer holds the same changes and other values: the state of one of the two is taken over by both");
            // Both have noticed; one of them looks who gives way.
            if self.links.get(&from).is_some_and(|link| self.own > link.device) {
                self.want(from, shard.clone());
                self.diverged.insert(shard.clone());
            }
        }
        Ok(())
    }

    /// Asks for a snapshot, unless one is on its way.
    fn want(&mut self, from: LinkId, shard: ShardKey) {
        if self.awaited.contains_key(&shard) {
            return;
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.wants.push_back(shard.clone());
            self.awaited.insert(shard, from);
        }
    }

    /// The next message for this peer; `None` when there is nothing to say for now. A message that is asked for has to be sent.
    pub(crate) fn next(
        &mut self,
        to: LinkId,
        replica: &Replica,
        now: Instant,
    ) -> Result<Option<Message>, StoreError> {
        let Some(link) = self.links.get_mut(&to) else {
            return Ok(None);
        };
        link.due = None;
        if !std::mem::replace(&mut link.introduced, true) {
            return Ok(Some(Message::Interest(replica.interest().clone())));
        }
        if let Some(shard) = link.wants.pop_front() {
            return Ok(Some(Message::Want { shard }));
        }
        if let Some(versions) = link.tell(replica, now) {
            return Ok(Some(versions));
        }
        if let Some(part) = link.next_part(replica)? {
            return Ok(Some(part));
        }
        let open = |held: &Held<'_>| !self.awaited.contains_key(held.key);
        link.next_update(replica, now, open)
    }
}
