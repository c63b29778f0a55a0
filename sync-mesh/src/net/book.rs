//! Which devices are known, where they are, and which are connected: [`Book`].

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use iroh::{EndpointId, endpoint::Connection};
use tokio::sync::watch;

use crate::presence::{PeerCollection, Presence};

/// A connection that is younger may have been made at the same time by the other side.
const TIE_TIME: Duration = Duration::from_secs(5);

/// A device that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its public key.
    pub id: EndpointId,
    /// Where it was reached, or said to be.
    pub addresses: Vec<SocketAddr>,
    /// Whether there is a connection now.
    pub connected: bool,
    /// When there was one last; now, if there is.
    pub last_seen: Option<SystemTime>,
    /// What it calls itself, if it has said so.
    pub name: Option<String>,
    /// How far it is, by collection; empty before it was met since the start.
    pub collections: Vec<PeerCollection>,
}

/// The devices that are known.
#[derive(Debug, Default)]
pub(crate) struct Book {
    peers: Mutex<BTreeMap<EndpointId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    addresses: Vec<SocketAddr>,
    name: Option<String>,
    current: Option<Current>,
    last_seen: Option<SystemTime>,
    connected: watch::Sender<bool>,
    /// Counts what may help an attempt to reach it.
    news: watch::Sender<u64>,
}

#[derive(Debug)]
struct Current {
    connection: Connection,
    /// The end with the smaller key has dialed: both ends prefer that one of two.
    preferred: bool,
    since: Instant,
}

impl Entry {
    fn new() -> Self {
        Self {
            addresses: Vec::new(),
            name: None,
            current: None,
            last_seen: None,
            connected: watch::channel(false).0,
            news: watch::channel(0).0,
        }
    }
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EndpointId, Entry>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the device was not known before. Its addresses are the newest first.
    pub(crate) fn add(&self, peer: EndpointId, addresses: &[SocketAddr]) -> bool {
        let mut peers = self.lock();
        let known = peers.contains_key(&peer);
        let entry = peers.entry(peer).or_insert_with(Entry::new);
        if !addresses.is_empty() && entry.addresses != addresses {
            entry.addresses = addresses.to_vec();
            entry.news.send_modify(|news| *news += 1);
        }
        !known
    }

    /// What the device calls itself.
    pub(crate) fn rename(&self, peer: EndpointId, name: Option<String>) {
        self.lock().entry(peer).or_insert_with(Entry::new).name = name;
    }

    pub(crate) fn addresses(&self, peer: EndpointId) -> Vec<SocketAddr> {
        self.lock()
            .get(&peer)
            .map(|entry| entry.addresses.clone())
            .unwrap_or_default()
    }

    pub(crate) fn peers(&self, presence: &Presence) -> Vec<Peer> {
        let peers = self.lock();
        let peers = peers.iter().map(|(id, entry)| Peer {
            id: *id,
            addresses: entry.addresses.clone(),
            connected: entry.current.is_some(),
            last_seen: match entry.current {
                Some(_) => Some(SystemTime::now()),
                None => entry.last_seen,
            },
            name: entry.name.clone(),
            collections: presence.of(id.as_bytes()),
        });
        peers.collect()
    }

    /// A connection has greeted. Whether it is to be used; another one of that device is closed then.
    pub(crate) fn enter(&self, connection: &Connection, preferred: bool) -> bool {
        let mut peers = self.lock();
        let entry = peers.entry(connection.remote_id()).or_insert_with(Entry::new);
        if let Some(current) = &entry.current {
            let tie = current.since.elapsed() < TIE_TIME && current.connection.close_reason().is_none();
            if tie && current.preferred && !preferred {
                return false;
            }
            current
                .connection
                .close(1_u32.into(), b"replaced by a newer connection");
        }
        entry.current = Some(Current {
            connection: connection.clone(),
            preferred,
            since: Instant::now(),
        });
        entry.connected.send_replace(true);
        true
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, connection: &Connection) {
        let mut peers = self.lock();
        let Some(entry) = peers.get_mut(&connection.remote_id()) else {
            return;
        };
        let ours = |current: &Current| current.connection.stable_id() == connection.stable_id();
        if entry.current.as_ref().is_some_and(ours) {
            entry.current = None;
            entry.last_seen = Some(SystemTime::now());
            entry.connected.send_replace(false);
        }
    }

    /// Returns when there is no connection to the device.
    pub(crate) async fn disconnected(&self, peer: EndpointId) {
        let Some(mut connected) = self.lock().get(&peer).map(|entry| entry.connected.subscribe()) else {
            return;
        };
        // An entry is never removed, so its channel does not end.
        let _ = connected.wait_for(|connected| !connected).await;
    }

    /// Returns when something new is known of the device's addresses.
    pub(crate) async fn news(&self, peer: EndpointId) {
        let Some(mut news) = self.lock().get(&peer).map(|entry| entry.news.subscribe()) else {
            return std::future::pending().await;
        };
        let _ = news.changed().await;
    }
}
