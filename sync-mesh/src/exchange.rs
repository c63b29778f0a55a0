//! What has to be said to which peer: [`Exchange`]. Plain state without IO: messages in, messages out.
//!
//! Of each peer it is remembered how far that peer is known, or hoped, to be. Whatever is newer here is sent, whoever wrote it, so changes travel over several hops; a
//! peer that has it already is sent nothing, so they do not run in circles. There is no queue: a slow peer gets in one update all that is new when it is ready. What was
//! hoped wrongly (a connection broke) is corrected by the versions that each side tells at the start, and from time to time.

use std::collections::{BTreeMap, HashMap};

use ditto_sync_core::store::StoreError;
use loro::VersionVector;

use crate::{
    message::Message,
    replica::{Replica, Taken},
};

/// One connection to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// The peers that are connected, and how far each is.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    links: BTreeMap<LinkId, Link>,
}

#[derive(Debug, Default)]
struct Link {
    /// By collection. `None` before the peer has told: nothing is sent until then.
    known: Option<HashMap<String, VersionVector>>,
    /// It is to be told how far we are.
    tell: bool,
}

impl Exchange {
    pub(crate) fn connect(&mut self, link: LinkId) {
        let told = Link {
            known: None,
            tell: true,
        };
        self.links.insert(link, told);
    }

    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Every peer is told how far we are: what got lost on the way is noticed by that.
    pub(crate) fn remind(&mut self) {
        for link in self.links.values_mut() {
            link.tell = true;
        }
    }

    pub(crate) fn is_connected(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    pub(crate) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// Takes a message of a peer. Whether something changed here.
    pub(crate) async fn receive(
        &mut self,
        from: LinkId,
        message: Message,
        replica: &mut Replica,
    ) -> Result<bool, StoreError> {
        let Some(link) = self.links.get_mut(&from) else {
            return Ok(false);
        };
        match message {
            Message::Versions(versions) => {
                link.known = Some(versions.into_iter().collect());
                Ok(false)
            }
            Message::Update { collection, update } => {
                let taken = replica.import(&collection, update).await?;
                // After a gap the peer has to know where to begin.
                link.tell |= taken == Taken::Gap;
                Ok(taken != Taken::Known)
            }
        }
    }

    /// The next message for this peer; `None` when it has everything. A message that is asked for has to be sent.
    pub(crate) fn next(&mut self, to: LinkId, replica: &Replica) -> Result<Option<Message>, StoreError> {
        let Some(link) = self.links.get_mut(&to) else {
            return Ok(None);
        };
        if std::mem::take(&mut link.tell) {
            let versions = replica.versions();
            return Ok(Some(Message::Versions(
                versions
                    .map(|(name, version)| (name.to_string(), version))
                    .collect(),
            )));
        }
        let Some(known) = &mut link.known else {
            return Ok(None);
        };
        for (collection, version) in replica.versions() {
            let theirs = known.entry(collection.to_string()).or_default();
            if let Some(update) = replica.updates_since(collection, theirs)? {
                // Hoped: it is on its way.
                theirs.merge(&version);
                return Ok(Some(Message::Update {
                    collection: collection.to_string(),
                    update,
                }));
            }
        }
        Ok(None)
    }
}
