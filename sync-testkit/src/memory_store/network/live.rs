//! The network by itself: messages travel in real time while [`Network::run`] is polled.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Link, Message, Network, NetworkState};
use crate::memory_store::hub::HubInner;

/// What live links are like. All of them alike.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct LinkConfig {
    /// How long a message takes at least.
    pub delay: Duration,
    /// How much longer it may take, at random.
    pub jitter: Duration,
    /// How many of a thousand messages are lost. They are sent again after [`RETRANSMIT`](Self::RETRANSMIT).
    pub drop_per_mille: u16,
    /// How many of a thousand messages arrive twice.
    pub duplicate_per_mille: u16,
    /// Whether jitter may change the order of messages.
    pub reorder: bool,
}

impl LinkConfig {
    /// How long a sender waits for a lost message beyond its delay.
    pub const RETRANSMIT: Duration = Duration::from_millis(50);

    /// Links without delay or faults.
    #[must_use]
    pub fn perfect() -> Self {
        Self::default()
    }

    /// Messages take this long at least.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Messages take up to this much longer.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// This many of a thousand messages are lost.
    #[must_use]
    pub fn with_drop(mut self, per_mille: u16) -> Self {
        self.drop_per_mille = per_mille;
        self
    }

    /// This many of a thousand messages arrive twice.
    #[must_use]
    pub fn with_duplicate(mut self, per_mille: u16) -> Self {
        self.duplicate_per_mille = per_mille;
        self
    }

    /// Jitter may change the order of messages.
    #[must_use]
    pub fn with_reorder(mut self) -> Self {
        self.reorder = true;
        self
    }

    fn is_immediate(&self) -> bool {
        self.delay.is_zero() && self.jitter.is_zero() && self.drop_per_mille == 0
    }
}

impl Network {
    /// Goes live: from now on [`run`](Self::run) delivers, over links like these. What was on its way is sent again.
    pub fn connect_all(&self, links: LinkConfig) {
        let mut network = self.hub.network();
        network.live = Some(links);
        for link in network.links.values_mut() {
            link.queue.clear();
        }
        self.hub.live.store(true, Ordering::Release);
        drop(network);
        self.hub.wake.notify_one();
    }

    /// Delivers messages until [`shutdown`](Self::shutdown). The caller owns this future and spawns it; dropping it stops the traffic. Run it once at
    /// a time, on a tokio runtime with time.
    pub async fn run(&self) {
        loop {
            let Some(next) = self.step() else {
                return;
            };
            match next {
                Next::Now => tokio::task::yield_now().await,
                Next::At(due) => {
                    tokio::select! {
                        () = self.hub.wake.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                Next::Woken => self.hub.wake.notified().await,
            }
        }
    }

    /// Ends [`run`](Self::run); the network is moved by hand again.
    pub fn shutdown(&self) {
        let mut network = self.hub.network();
        network.live = None;
        self.hub.live.store(false, Ordering::Release);
        drop(network);
        self.hub.wake.notify_one();
    }

    /// Sends what is new and delivers what is due; `None` after the shutdown.
    fn step(&self) -> Option<Next> {
        let mut network = self.hub.network();
        let links = network.live?;
        let now = Instant::now();
        let sent = network.send_live(&self.hub, &links, now);
        let delivered = network.deliver_due(&self.hub, now);
        if sent || delivered {
            return Some(Next::Now);
        }
        Some(network.next_due().map_or(Next::Woken, Next::At))
    }
}

/// When there is more to do.
enum Next {
    Now,
    At(Instant),
    Woken,
}

impl NetworkState {
    fn send_live(&mut self, hub: &HubInner, links: &LinkConfig, now: Instant) -> bool {
        let mut sent = false;
        for from in 0..self.peers.len() {
            for to in 0..self.peers.len() {
                while let Some(message) = self.next_message(from, to) {
                    sent = true;
                    if links.is_immediate() {
                        self.arrive(hub, to, &message);
                    } else {
                        self.schedule((from, to), message, links, now);
                    }
                }
            }
        }
        sent
    }

    fn schedule(&mut self, key: (usize, usize), mut message: Message, links: &LinkConfig, now: Instant) {
        let jitter = |random: &mut fastrand::Rng| links.jitter.mul_f64(random.f64());
        message.lost = self.random.u16(..1000) < links.drop_per_mille;
        let copies = 1 + usize::from(self.random.u16(..1000) < links.duplicate_per_mille);
        let link: &mut Link = self.links.entry(key).or_default();
        for _ in 0..copies {
            let mut due = now + links.delay + jitter(&mut self.random);
            if message.lost {
                due += LinkConfig::RETRANSMIT;
            } else if !links.reorder {
                due = link
                    .queue
                    .iter()
                    .filter_map(|queued| queued.due)
                    .fold(due, Instant::max);
            }
            let payload = Arc::clone(&message.payload);
            link.queue.push_back(Message {
                due: Some(due),
                payload,
                ..message
            });
        }
    }

    fn deliver_due(&mut self, hub: &HubInner, now: Instant) -> bool {
        let mut delivered = false;
        for key in self.links.keys().copied().collect::<Vec<_>>() {
            while let Some(at) = self.links.get(&key).and_then(|link| link.earliest()) {
                let due = |link: &Link| link.queue[at].due.is_none_or(|due| due <= now);
                if !self.links.get(&key).is_some_and(due) {
                    break;
                }
                self.deliver(hub, key, at);
                delivered = true;
            }
        }
        delivered
    }

    fn next_due(&self) -> Option<Instant> {
        let queued = self.links.values().flat_map(|link| &link.queue);
        queued.filter_map(|message| message.due).min()
    }
}

impl Link {
    /// The message that arrives next.
    fn earliest(&self) -> Option<usize> {
        let queued = self.queue.iter().enumerate();
        queued
            .min_by_key(|(_, message)| (message.due, message.number))
            .map(|(at, _)| at)
    }
}
