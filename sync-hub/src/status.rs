//! What the hub says of itself: [`Status`], for people and for programs.

use std::{fmt::Write as _, net::SocketAddr, time::UNIX_EPOCH};

use ditto_sync_mesh::{MeshStore, Peer};
use serde_json::{Value, json};

/// How the hub is.
#[derive(Debug)]
pub(crate) struct Status {
    id: String,
    addresses: Vec<SocketAddr>,
    peers: Vec<Peer>,
}

impl Status {
    pub(crate) fn of(store: &MeshStore) -> Self {
        Self {
            id: store.id().map(|id| id.to_string()).unwrap_or_default(),
            addresses: store.addresses(),
            peers: store.peers(),
        }
    }

    /// Whether somebody has come or gone in between.
    pub(crate) fn has_other_peers(&self, other: &Self) -> bool {
        let here = |status: &Self| -> Vec<String> {
            let here = status.peers.iter().filter(|peer| peer.connected);
            here.map(|peer| peer.id.to_string()).collect()
        };
        here(self) != here(other)
    }

    pub(crate) fn shown(&self, json: bool) -> String {
        if json {
            self.as_json().to_string()
        } else {
            self.in_words()
        }
    }

    /// What is said at the end.
    pub(crate) fn closed(json: bool) -> String {
        if json {
            json!({ "state": "closed" }).to_string()
        } else {
            "closed".to_owned()
        }
    }

    fn in_words(&self) -> String {
        let here = self.peers.iter().filter(|peer| peer.connected).count();
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let mut text = format!(
            "{here} of {} peers here, listening on {}",
            self.peers.len(),
            addresses.join(" ")
        );
        for peer in &self.peers {
            let name = peer.name.as_deref().unwrap_or("unnamed");
            let state = if peer.connected { "here" } else { "away" };
            let behind: u64 = peer.collections.iter().map(|collection| collection.behind).sum();
            let ahead: u64 = peer.collections.iter().map(|collection| collection.ahead).sum();
            // A String takes everything.
            let _ = write!(
                text,
                "\n  {name} ({}) {state}, {behind} changes behind, {ahead} ahead",
                peer.id.fmt_short()
            );
        }
        text
    }

    fn as_json(&self) -> Value {
        let peers = self.peers.iter().map(|peer| {
            let collections = peer.collections.iter().map(|collection| {
                json!({
                    "collection": collection.collection,
                    "behind": collection.behind,
                    "ahead": collection.ahead,
                })
            });
            let seen = peer.last_seen.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            json!({
                "id": peer.id.to_string(),
                "name": peer.name,
                "connected": peer.connected,
                "last_seen_unix_seconds": seen.map(|at| at.as_secs()),
                "collections": collections.collect::<Vec<_>>(),
            })
        });
        json!({
            "state": "open",
            "id": self.id,
            "addresses": self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "peers": peers.collect::<Vec<_>>(),
        })
    }
}
