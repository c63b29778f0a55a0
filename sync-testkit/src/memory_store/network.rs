//! The simulated network between the stores of a hub: [`Network`], moved by hand. Its live mode is in `live`.
//!
//! Each peer sends the documents that changed since it last sent to the other. A lost message is sent again later, as a reliable protocol
//! would; merging does not mind order and repetition.

mod live;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

pub use self::live::LinkConfig;
use super::{hub::HubInner, message::Payload, peer::Peer, replica::Replica};

/// The network of a hub. Clones are the same network.
///
/// By hand (the default, deterministic) messages wait until a test delivers them. Once [`connect_all`](Self::connect_all) was called,
/// [`run`](Self::run) delivers them.
#[derive(Debug, Clone)]
pub struct Network {
    hub: Arc<HubInner>,
}

/// What the lock of the network guards. Locks of peers are taken inside it, never around it.
#[derive(Debug)]
pub(super) struct NetworkState {
    peers: Vec<Arc<Peer>>,
    /// By sender and receiver.
    links: BTreeMap<(usize, usize), Link>,
    /// Pairs that cannot reach each other, the smaller number first.
    cut: BTreeSet<(usize, usize)>,
    random: fastrand::Rng,
    /// Of the live mode; `None` by hand.
    live: Option<LinkConfig>,
    /// Numbers messages in the order they were sent.
    sent: u64,
}

/// One direction between two peers.
#[derive(Debug, Default)]
struct Link {
    /// The lives of sender and receiver that the positions are about.
    lives: (u64, u64),
    /// Up to here of the sender's log is on its way or has arrived.
    sent_to: u64,
    queue: VecDeque<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    number: u64,
    receiver_life: u64,
    payload: Arc<Payload>,
    /// When it arrives, in live mode.
    due: Option<Instant>,
    /// It will not arrive; its place is kept until the sender would notice.
    lost: bool,
}

/// Messages that wait on one link; what changes beyond is sent as one later message.
const QUEUE_MAX: usize = 64;

impl Network {
    pub(super) fn new(hub: Arc<HubInner>) -> Self {
        Self { hub }
    }

    /// How many messages are on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.hub
            .network()
            .links
            .values()
            .map(|link| link.queue.len())
            .sum()
    }

    /// Puts what changed at `from` and was not sent to `to` yet on its way; whether there was anything.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn send(&self, from: &str, to: &str) -> bool {
        let mut network = self.hub.network();
        let (from, to) = (network.existing_peer(from).index, network.existing_peer(to).index);
        network.queue(from, to)
    }

    /// Delivers the message that was sent first; `false` when none is on its way.
    pub fn deliver_next(&self) -> bool {
        let mut network = self.hub.network();
        let waiting = network
            .links
            .iter()
            .filter_map(|(key, link)| Some((link.queue.front()?.number, *key)));
        let Some((_, key)) = waiting.min() else {
            return false;
        };
        network.deliver(&self.hub, key, 0);
        true
    }

    /// Delivers the message at place `at` (modulo their number) of those on their way from one to the other; `false` when none is.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn deliver_at(&self, from: &str, to: &str, at: usize) -> bool {
        let mut network = self.hub.network();
        let Some((key, at)) = network.message_at(from, to, at) else {
            return false;
        };
        network.deliver(&self.hub, key, at);
        true
    }

    /// The message at place `at` (modulo their number) of those on their way from one to the other arrives twice; `false` when none is.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn duplicate_at(&self, from: &str, to: &str, at: usize) -> bool {
        let mut network = self.hub.network();
        let found = network.message_at(from, to, at);
        if let Some((key, at)) = found
            && let Some(link) = network.links.get_mut(&key)
        {
            let copy = link.queue[at].clone();
            link.queue.push_back(copy);
        }
        found.is_some()
    }

    /// The message at place `at` (modulo their number) of those on their way from one to the other is lost; `false` when none is.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn drop_at(&self, from: &str, to: &str, at: usize) -> bool {
        let mut network = self.hub.network();
        let found = network.message_at(from, to, at);
        if let Some((key, at)) = found
            && let Some(link) = network.links.get_mut(&key)
        {
            if let Some(message) = link.queue.get_mut(at) {
                message.lost = true;
            }
            link.take(at);
        }
        found.is_some()
    }

    /// Delivers any one message; `false` when none is on its way.
    pub fn deliver_random(&self) -> bool {
        let mut network = self.hub.network();
        let Some((key, at)) = network.any_message() else {
            return false;
        };
        network.deliver(&self.hub, key, at);
        true
    }

    /// Any one message will arrive twice; `false` when none is on its way.
    pub fn duplicate_random(&self) -> bool {
        let mut network = self.hub.network();
        let Some((key, at)) = network.any_message() else {
            return false;
        };
        if let Some(link) = network.links.get_mut(&key) {
            let copy = link.queue[at].clone();
            link.queue.push_back(copy);
        }
        true
    }

    /// Any one message is lost; `false` when none is on its way. Its sender sends it again when it next sends anything.
    pub fn drop_random(&self) -> bool {
        let mut network = self.hub.network();
        let Some((key, at)) = network.any_message() else {
            return false;
        };
        if let Some(link) = network.links.get_mut(&key) {
            if let Some(message) = link.queue.get_mut(at) {
                message.lost = true;
            }
            link.take(at);
        }
        true
    }

    /// Cuts the two off from each other; what is on its way between them is lost.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn partition(&self, one: &str, other: &str) {
        let mut network = self.hub.network();
        let (one, other) = (
            network.existing_peer(one).index,
            network.existing_peer(other).index,
        );
        network.cut(one, other);
    }

    /// Cuts a peer off from all others: it is offline.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn isolate(&self, name: &str) {
        let mut network = self.hub.network();
        let one = network.existing_peer(name).index;
        for other in (0..network.peers.len()).filter(|other| *other != one) {
            network.cut(one, other);
        }
    }

    /// Lets the two reach each other again.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn heal(&self, one: &str, other: &str) {
        let mut network = self.hub.network();
        let (one, other) = (
            network.existing_peer(one).index,
            network.existing_peer(other).index,
        );
        network.cut.remove(&(one.min(other), one.max(other)));
        drop(network);
        self.hub.wake.notify_one();
    }

    /// Lets everybody reach everybody again.
    pub fn heal_all(&self) {
        self.hub.network().cut.clear();
        self.hub.wake.notify_one();
    }

    /// Sends and delivers in order until all that can reach each other hold the same; returns the number of messages it took.
    pub fn drain(&self) -> usize {
        let mut network = self.hub.network();
        let mut delivered = 0;
        loop {
            for from in 0..network.peers.len() {
                network.queue_from(from);
            }
            let busy: Vec<_> = network
                .links
                .iter()
                .filter(|(_, link)| !link.queue.is_empty())
                .collect();
            if busy.is_empty() {
                return delivered;
            }
            for key in busy.into_iter().map(|(key, _)| *key).collect::<Vec<_>>() {
                while network.links.get(&key).is_some_and(|link| !link.queue.is_empty()) {
                    network.deliver(&self.hub, key, 0);
                    delivered += 1;
                }
            }
        }
    }
}

impl NetworkState {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self {
            peers: Vec::new(),
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            random,
            live: None,
            sent: 0,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    pub(super) fn peer_named(&self, name: &str) -> Option<Arc<Peer>> {
        self.peers.iter().find(|peer| peer.name == name).cloned()
    }

    pub(super) fn existing_peer(&self, name: &str) -> Arc<Peer> {
        self.peer_named(name)
            .unwrap_or_else(|| panic!("the hub has no store named `{name}`"))
    }

    pub(super) fn add_peer(&mut self, name: &str, replica: Replica) -> Arc<Peer> {
        let peer = Arc::new(Peer::new(name.to_owned(), self.peers.len(), replica));
        self.peers.push(Arc::clone(&peer));
        peer
    }

    /// Puts what changed at a peer on its way to all it can reach.
    pub(super) fn queue_from(&mut self, from: usize) {
        for to in (0..self.peers.len()).filter(|to| *to != from) {
            self.queue(from, to);
        }
    }

    fn queue(&mut self, from: usize, to: usize) -> bool {
        let mut any = false;
        while let Some(message) = self.next_message(from, to) {
            any = true;
            self.links.entry((from, to)).or_default().queue.push_back(message);
        }
        any
    }

    /// What changed at `from` and is not on its way to `to`; `None` when nothing, or when it cannot be sent now.
    fn next_message(&mut self, from: usize, to: usize) -> Option<Message> {
        if from == to || self.cut.contains(&(from.min(to), from.max(to))) {
            return None;
        }
        let (sender, receiver) = (&self.peers[from], &self.peers[to]);
        let link = self.links.entry((from, to)).or_default();
        if link.queue.len() >= QUEUE_MAX {
            return None;
        }
        loop {
            let sender_life = sender.lock().replica.life;
            let (receiver_life, received) = {
                let receiving = receiver.lock();
                (
                    receiving.replica.life,
                    receiving.replica.received_from(sender_life),
                )
            };
            if link.lives != (sender_life, receiver_life) {
                *link = Link {
                    lives: (sender_life, receiver_life),
                    sent_to: received,
                    queue: VecDeque::new(),
                };
            }
            if link.queue.is_empty() {
                // Nothing is on its way, so what has not arrived was lost.
                link.sent_to = received;
            }
            let payload = sender.lock().replica.outgoing(link.sent_to, receiver_life)?;
            link.sent_to = payload.to;
            if payload.contents.is_empty() {
                // The receiver has it all, most likely because it came from there: nothing a test could delay.
                receiver.lock().replica.receive(&payload, false);
                continue;
            }
            self.sent += 1;
            let (number, payload) = (self.sent, Arc::new(payload));
            return Some(Message {
                number,
                receiver_life,
                payload,
                due: None,
                lost: false,
            });
        }
    }

    /// Takes the message at `at` off its link and lets the receiver merge it.
    fn deliver(&mut self, hub: &HubInner, key: (usize, usize), at: usize) {
        let Some(message) = self.links.get_mut(&key).and_then(|link| link.take(at)) else {
            return;
        };
        if self.arrive(hub, key.1, &message) && !self.is_live() && hub.config.send_on_write {
            self.queue_from(key.1);
        }
    }

    /// Lets a peer merge a message; whether anything changed.
    fn arrive(&mut self, hub: &HubInner, to: usize, message: &Message) -> bool {
        hub.tick();
        let peer = &self.peers[to];
        let mut state = peer.lock();
        if message.lost || state.replica.life != message.receiver_life {
            return false;
        }
        let silent = state.silences();
        let changed = state.replica.receive(&message.payload, silent);
        drop(state);
        if changed {
            peer.notify();
        }
        changed
    }

    fn message_at(&self, from: &str, to: &str, at: usize) -> Option<((usize, usize), usize)> {
        let key = (self.existing_peer(from).index, self.existing_peer(to).index);
        let waiting = self.links.get(&key)?.queue.len();
        (waiting > 0).then(|| (key, at % waiting))
    }

    fn any_message(&mut self) -> Option<((usize, usize), usize)> {
        let waiting: usize = self.links.values().map(|link| link.queue.len()).sum();
        if waiting == 0 {
            return None;
        }
        let mut at = self.random.usize(..waiting);
        for (key, link) in &self.links {
            match at.checked_sub(link.queue.len()) {
                Some(rest) => at = rest,
                None => return Some((*key, at)),
            }
        }
        None
    }

    fn cut(&mut self, one: usize, other: usize) {
        self.cut.insert((one.min(other), one.max(other)));
        for key in [(one, other), (other, one)] {
            if let Some(link) = self.links.get_mut(&key) {
                link.queue.clear();
            }
        }
    }
}

impl Link {
    /// Takes a message off the link. After a lost one the sender goes back to where it was.
    fn take(&mut self, at: usize) -> Option<Message> {
        let message = self.queue.remove(at)?;
        if message.lost {
            self.sent_to = self.sent_to.min(message.payload.from);
        }
        Some(message)
    }
}
