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
    data::Update,
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
    /// Collections of which a snapshot was asked for. Until it is here they take and give nothing.
    awaited: BTreeMap<String, LinkId>,
    /// Of them, those that were asked for because equal versions held different values.
    diverged: BTreeSet<String>,
    /// What devices that are gone have told, by collection.
    past: HashMap<Device, HashMap<String, VersionVector>>,
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
    pub(crate) fn disconnect(&mut self, link: LinkId) -> Vec<(Device, String, VersionVector)> {
        self.awaited.retain(|_, awaited| *awaited != link);
        self.diverged
            .retain(|collection| self.awaited.contains_key(collection));
        self.events += 1;
        let Some(mut gone) = self.links.remove(&link) else {
            return Vec::new();
        };
        let versions = gone
            .versions()
            .map(|(name, version)| (name.to_owned(), version.clone()));
        self.past.insert(gone.device, versions.collect());
        gone.newly_confirmed()
    }

    /// What all devices that are connected have confirmed since this was asked last.
    pub(crate) fn confirmed(&mut self) -> Vec<(Device, String, VersionVector)> {
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
                link.interest = interest.map(BTreeSet::from_iter);
                link.forget_completeness();
            }
            Message::Versions {
                received,
                complete,
                collections,
            } => {
                link.learn((received, complete), &collections);
                self.events += 1;
                for told in collections {
                    replica.note_held(&told.collection, &told.version);
                    self.compare(from, &told, replica).await?;
                }
            }
            Message::Update { collection, update } => {
                link.received += 1;
                link.tell_changes();
                self.take_update(from, collection, update, replica).await?;
            }
            Message::Snapshot {
                collection,
                part,
                last,
            } => {
                if let Some(snapshot) = link.assemble(&collection, &part, last)? {
                    link.received += 1;
                    link.tell_changes();
                    self.take_snapshot(from, collection, &snapshot, replica).await?;
                }
            }
            Message::Want { collection } => link.note_wanted(collection),
        }
        Ok(())
    }

    async fn take_update(
        &mut self,
        from: LinkId,
        collection: String,
        update: Update,
        replica: &mut Replica,
    ) -> Result<(), StoreError> {
        if self.awaited.contains_key(&collection) {
            // It comes again when the snapshot is here.
            return Ok(());
        }
        let taken = replica.import(&collection, update).await?;
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(());
        };
        match taken {
            Taken::All(end) => link.has(&collection, &end),
            // After a gap the peer has to know where to begin.
            Taken::Gap => link.tell = Tell::Everything,
            // One that is behind our trim gets our snapshot, and sends what it has upon that.
            Taken::Useless if link.is_behind_trim(&collection, replica) => {}
            Taken::Useless => self.want(from, collection),
            Taken::Unwanted => {}
        }
        Ok(())
    }

    /// A snapshot that was asked for counts whether the collection is wanted or not: it brings own writes in order.
    async fn take_snapshot(
        &mut self,
        from: LinkId,
        collection: String,
        snapshot: &[u8],
        replica: &mut Replica,
    ) -> Result<(), StoreError> {
        let asked = self.awaited.remove(&collection).is_some();
        if !asked && !replica.wants(&collection) {
            return Ok(());
        }
        let diverged = self.diverged.remove(&collection) && asked;
        if !replica.reset(&collection, snapshot, diverged).await?
            && let Some(link) = self.links.get_mut(&from)
        {
            // It is not our writes that differ: the peer takes over ours.
            link.note_wanted(collection);
        }
        Ok(())
    }

    /// What a peer's version of a collection means for ours.
    async fn compare(&mut self, from: LinkId, told: &Told, replica: &mut Replica) -> Result<(), StoreError> {
        let collection = &told.collection;
        if replica.is_ahead_of_us(collection, &told.version) {
            tracing::warn!(%collection, "a peer has more of our own changes than we have: this store was restored or copied; it takes over the peer's state and writes under a new number");
            self.want(from, collection.clone());
            return Ok(());
        }
        if !replica.wants(collection) {
            if replica.evict(collection, &told.version).await? {
                tracing::info!(%collection, "a collection that is not wanted any more was dropped: a peer holds it");
            }
            return Ok(());
        }
        let ours = replica.held().find(|held| held.collection == collection);
        let diverged = ours.is_some_and(|held| *held.version == told.version && held.digest != told.digest);
        if diverged {
            tracing::error!(%collection, "a peer holds the same changes and other values: the state of one of the two is taken over by both");
            // Both have noticed; one of them looks who gives way.
            if self.links.get(&from).is_some_and(|link| self.own > link.device) {
                self.want(from, collection.clone());
                self.diverged.insert(collection.clone());
            }
        }
        Ok(())
    }

    /// Asks for a snapshot, unless one is on its way.
    fn want(&mut self, from: LinkId, collection: String) {
        if self.awaited.contains_key(&collection) {
            return;
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.wants.push_back(collection.clone());
            self.awaited.insert(collection, from);
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
            let interest = replica.interest().map(|names| names.iter().cloned().collect());
            return Ok(Some(Message::Interest(interest)));
        }
        if let Some(collection) = link.wants.pop_front() {
            return Ok(Some(Message::Want { collection }));
        }
        if let Some(versions) = link.tell(replica, now) {
            return Ok(Some(versions));
        }
        if let Some(part) = link.next_part(replica)? {
            return Ok(Some(part));
        }
        let open = |held: &Held<'_>| !self.awaited.contains_key(held.collection.as_str());
        link.next_update(replica, now, open)
    }
}
