//! Devices whose processes and wires a test controls: [`World`].

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
};

use ditto_sync_core::{descriptor::ModelDescriptor, document::Document, id::DocumentId};
use fastrand::Rng;
use loro::VersionVector;
use tempfile::TempDir;
use tokio::time::Instant;

use super::mirror::Mirror;
use crate::{
    data::ShardKey,
    exchange::{Device, Exchange, LinkId},
    limits::CONFIRM_DELAY,
    message::Message,
    replica::Replica,
};

/// One device.
pub(super) struct Node {
    pub(super) file: PathBuf,
    device: Device,
    replica: Option<Replica>,
    pub(super) exchange: Exchange,
    /// What an app made of what it was told.
    pub(super) mirror: Mirror,
    /// An old copy of its file.
    pub(super) copy: Option<Vec<u8>>,
}

/// Devices, the wires between them, and what they should come to.
pub(super) struct World {
    _directory: TempDir,
    pub(super) model: &'static ModelDescriptor,
    pub(super) random: Rng,
    pub(super) nodes: Vec<Node>,
    /// What is on its way, by sender and receiver. A pair that is missing is not connected.
    pub(super) wires: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    pub(super) now: Instant,
    pub(super) batches: u64,
    pub(super) sums: BTreeMap<String, i64>,
    pub(super) seen: Seen,
}

/// How often something happened that a schedule may miss.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// History was dropped.
    pub(super) trimmed: usize,
    /// A loss of power took changes along.
    pub(super) lost: usize,
    /// Frames came in another order.
    pub(super) swapped: usize,
    /// A document was dropped.
    pub(super) evicted: usize,
    /// Rows were at several places.
    pub(super) moved: usize,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        self.trimmed += other.trimmed;
        self.lost += other.lost;
        self.swapped += other.swapped;
        self.evicted += other.evicted;
        self.moved += other.moved;
    }

    pub(super) fn everything(&self) -> bool {
        [self.trimmed, self.lost, self.swapped, self.evicted, self.moved]
            .iter()
            .all(|count| *count > 0)
    }
}

/// The file and its log as a loss of power leaves them.
struct Durable {
    file: Vec<u8>,
    log: Vec<u8>,
    syncs: u64,
}

fn link(peer: usize) -> LinkId {
    LinkId(peer as u64)
}

async fn open(file: &Path) -> Replica {
    Replica::open(file, "random").await.expect("the file opens")
}

fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

impl World {
    pub(super) async fn new(model: &'static ModelDescriptor, seed: u64, count: usize) -> Self {
        // Numbers of writers are drawn by the store.
        fastrand::seed(seed);
        let directory = tempfile::tempdir().expect("a directory");
        let mut nodes = Vec::new();
        for number in 0..count {
            let file = directory.path().join(format!("{number}.sqlite"));
            let replica = open(&file).await;
            // Not its key, so that a seed decides everything.
            let device = [u8::try_from(number).expect("they are few"); 32];
            nodes.push(Node {
                file,
                device,
                replica: Some(replica),
                exchange: Exchange::new(device),
                mirror: Mirror::new(model),
                copy: None,
            });
        }
        let devices: Vec<Device> = nodes.iter().map(|node| node.device).collect();
        for node in &mut nodes {
            let replica = node.replica.as_mut().expect("it is open");
            for device in &devices {
                replica.remember(device, &[]).await.expect("it is remembered");
            }
        }
        Self {
            _directory: directory,
            model,
            random: Rng::with_seed(seed),
            nodes,
            wires: BTreeMap::new(),
            now: Instant::now(),
            batches: 0,
            sums: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    pub(super) fn replica(&mut self, at: usize) -> &mut Replica {
        self.nodes[at].replica.as_mut().expect("it is open")
    }

    pub(super) async fn found(&mut self, at: usize, id: &DocumentId) -> Option<Document> {
        let found = {
            let model = self.model;
            self.replica(at).fetch(model, std::slice::from_ref(id)).await
        };
        found.expect("it answers").remove(0)
    }

    /// How far a device is in each document that it has something of.
    pub(super) fn version(&mut self, at: usize) -> BTreeMap<ShardKey, VersionVector> {
        let held = self.replica(at).held();
        let held = held.filter(|held| !held.version.is_empty());
        held.map(|held| (held.key.clone(), held.version.clone()))
            .collect()
    }

    pub(super) async fn observe(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let replica = node.replica.as_mut().expect("it is open");
        node.mirror.catch_up(replica).await;
    }

    pub(super) fn connect(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            if !self.wires.contains_key(&(from, to)) {
                let device = self.nodes[to].device;
                self.nodes[from].exchange.connect(link(to), device);
                self.wires.insert((from, to), VecDeque::new());
            }
        }
    }

    /// Whatever is on its way is lost.
    pub(super) async fn cut(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            if self.wires.remove(&(from, to)).is_some() {
                let confirmed = self.nodes[from].exchange.disconnect(link(to));
                if let Some(replica) = &mut self.nodes[from].replica {
                    replica.confirm(confirmed).await;
                }
            }
        }
    }

    async fn cut_off(&mut self, at: usize) {
        for other in 0..self.nodes.len() {
            if other != at {
                self.cut(at, other).await;
            }
        }
    }

    /// Everything that is ready goes on its way, confirmations too, as the thread of the store does it.
    pub(super) async fn send(&mut self, from: usize) {
        let targets: Vec<usize> = self
            .wires
            .keys()
            .filter(|(one, _)| *one == from)
            .map(|(_, to)| *to)
            .collect();
        for now in [self.now, self.now + CONFIRM_DELAY] {
            let node = &mut self.nodes[from];
            let replica = node.replica.as_mut().expect("it is open");
            if node.exchange.is_about_to_tell(now) {
                replica.secure().await.expect("it can be synced");
            }
            for to in &targets {
                while let Some(message) = node
                    .exchange
                    .next(link(*to), replica, now)
                    .expect("it can be said")
                {
                    if let Some(wire) = self.wires.get_mut(&(from, *to)) {
                        wire.push_back(message.encode());
                    }
                }
            }
        }
        self.now += CONFIRM_DELAY;
    }

    /// What this device and those it is connected to have to say to each other arrives.
    pub(super) async fn exchange_with_all(&mut self, at: usize) {
        for _ in 0..2 {
            for from in 0..self.nodes.len() {
                self.send(from).await;
            }
            for other in 0..self.nodes.len() {
                self.deliver(at, other, usize::MAX).await;
                self.deliver(other, at, usize::MAX).await;
            }
        }
    }

    /// Two updates that are on their way change places.
    pub(super) fn swap(&mut self, from: usize, to: usize) {
        let Some(wire) = self.wires.get_mut(&(from, to)) else {
            return;
        };
        let is_update = |frame: &Vec<u8>| matches!(Message::decode(frame), Ok(Message::Update { .. }));
        let updates: Vec<usize> = (0..wire.len()).filter(|at| is_update(&wire[*at])).collect();
        if let [.., one, other] = updates[..] {
            wire.swap(one, other);
            self.seen.swapped += 1;
        }
    }

    /// Some frames arrive, now and then one of them twice.
    pub(super) async fn deliver(&mut self, from: usize, to: usize, most: usize) -> bool {
        let mut any = false;
        for _ in 0..most {
            let Some(frame) = self.wires.get_mut(&(from, to)).and_then(VecDeque::pop_front) else {
                break;
            };
            any = true;
            let times = if self.random.u8(..20) == 0 { 2 } else { 1 };
            for _ in 0..times {
                let message = Message::decode(&frame).expect("peers keep the protocol");
                let node = &mut self.nodes[to];
                let replica = node.replica.as_mut().expect("it is open");
                let held = replica.held().count();
                let taken = node.exchange.receive(link(from), message, replica).await;
                taken.expect("it is taken");
                self.seen.evicted += held.saturating_sub(replica.held().count());
            }
        }
        any
    }

    /// The process dies and starts again, perhaps with another file.
    pub(super) async fn restart(&mut self, at: usize, file: Option<Vec<u8>>) {
        self.cut_off(at).await;
        self.reopen(at, file, None).await;
    }

    async fn reopen(&mut self, at: usize, file: Option<Vec<u8>>, log: Option<Vec<u8>>) {
        let node = &mut self.nodes[at];
        let replica = node.replica.take().expect("it is open");
        let interest = replica.interest().clone();
        replica.close().await;
        if let Some(bytes) = file {
            std::fs::write(&node.file, bytes).expect("it can be written");
        }
        if let Some(bytes) = log {
            std::fs::write(log_of(&node.file), bytes).expect("it can be written");
        }
        let mut replica = open(&node.file).await;
        replica.set_interest(interest);
        // As the coordinator does at its start.
        node.mirror.resume(&replica);
        node.replica = Some(replica);
        node.exchange = Exchange::new(node.device);
    }

    /// A copy of the closed file.
    pub(super) async fn copy(&mut self, at: usize) {
        self.cut_off(at).await;
        let replica = self.nodes[at].replica.take().expect("it is open");
        replica.close().await;
        let node = &mut self.nodes[at];
        node.copy = std::fs::read(&node.file).ok();
        let replica = open(&node.file).await;
        node.replica = Some(replica);
        node.exchange = Exchange::new(node.device);
    }

    /// The power fails while frames come in, and takes along whatever was not synced; the app has seen all of it, and kept it.
    pub(super) async fn lose_power(&mut self, at: usize) {
        for from in 0..self.nodes.len() {
            self.send(from).await;
        }
        let durable = self.durable(at).await;
        for from in 0..self.nodes.len() {
            self.deliver(from, at, 5).await;
        }
        self.observe(at).await;
        if self.random.bool() {
            self.send(at).await;
        }
        // What is said from now on, nobody has heard.
        if self.replica(at).syncs() != durable.syncs {
            return;
        }
        let before = self.version(at);
        for other in 0..self.nodes.len() {
            if self.wires.remove(&(at, other)).is_some() {
                self.wires.remove(&(other, at));
                // Its own side of the connection is gone with it.
                let confirmed = self.nodes[other].exchange.disconnect(link(at));
                self.replica(other).confirm(confirmed).await;
            }
        }
        self.reopen(at, Some(durable.file), Some(durable.log)).await;
        self.seen.lost += usize::from(self.version(at) != before);
    }

    async fn durable(&mut self, at: usize) -> Durable {
        let replica = self.replica(at);
        replica.secure().await.expect("it can be synced");
        let syncs = replica.syncs();
        let file = &self.nodes[at].file;
        Durable {
            file: std::fs::read(file).expect("it can be read"),
            log: std::fs::read(log_of(file)).unwrap_or_default(),
            syncs,
        }
    }
}
