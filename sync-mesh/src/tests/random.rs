//! Replicas that write, exchange, lose connections, crash and come back from old copies, at random: at the end all hold the same, and every increment counts once.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::WriteOutcome,
    value::Value,
};
use ditto_sync_testkit::models::STOCK;
use fastrand::Rng;
use loro::VersionVector;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    exchange::{Device, Exchange, LinkId},
    message::Message,
    replica::Replica,
};

/// Rows that are only counted and noted on: their sums are known.
const COUNTED: usize = 3;
/// Rows to which anything happens.
const WILD: usize = 4;

/// One device.
struct Node {
    file: PathBuf,
    device: Device,
    replica: Option<Replica>,
    exchange: Exchange,
    /// An old copy of its file.
    copy: Option<Vec<u8>>,
}

/// Devices, the wires between them, and what they should come to.
struct World {
    _directory: TempDir,
    random: Rng,
    nodes: Vec<Node>,
    /// What is on its way, by sender and receiver. A pair that is missing is not connected.
    wires: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    now: Instant,
    batches: u64,
    sums: BTreeMap<String, i64>,
    trimmed: usize,
}

fn link(peer: usize) -> LinkId {
    LinkId(peer as u64)
}

async fn open(file: &Path) -> (Replica, Exchange, Device) {
    let replica = Replica::open(file, "random").await.expect("the file opens");
    let device = *iroh::SecretKey::from_bytes(&replica.owner().key)
        .public()
        .as_bytes();
    (replica, Exchange::new(device), device)
}

impl World {
    async fn new(seed: u64, count: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut nodes = Vec::new();
        for number in 0..count {
            let file = directory.path().join(format!("{number}.sqlite"));
            let (replica, exchange, device) = open(&file).await;
            nodes.push(Node {
                file,
                device,
                replica: Some(replica),
                exchange,
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
            random: Rng::with_seed(seed),
            nodes,
            wires: BTreeMap::new(),
            now: Instant::now(),
            batches: 0,
            sums: BTreeMap::new(),
            trimmed: 0,
        }
    }

    fn replica(&mut self, at: usize) -> &mut Replica {
        self.nodes[at].replica.as_mut().expect("it is open")
    }

    async fn found(&mut self, at: usize, id: &DocumentId) -> Option<Document> {
        let found = self.replica(at).fetch(&STOCK, std::slice::from_ref(id)).await;
        found.expect("it answers").remove(0)
    }

    async fn write(&mut self, at: usize) {
        let row = self.random.usize(..COUNTED + WILD);
        let name = format!("s{row}");
        let id = DocumentId::text(&name).expect("a short id");
        let found = self.found(at, &id).await;
        let amount = i64::from(self.random.i8(..));
        let note = |random: &mut Rng| Value::from(format!("n{}", random.u8(..)));
        let patch = |set: &str, value: Value| Action::Patch {
            set: vec![(set.into(), value)],
            increments: vec![],
        };
        let seed = stock(&name, if row < COUNTED { 10 } else { amount });
        let action = match (&found, self.random.u8(..10)) {
            (None, _) if row < COUNTED => Action::Seed(seed),
            (None, ..=4) => Action::Seed(seed),
            (None, _) => Action::Insert(seed),
            (_, ..=4) => {
                if row < COUNTED {
                    *self.sums.entry(name.clone()).or_insert(10) += amount;
                }
                Action::Patch {
                    set: vec![],
                    increments: vec![("quantity".into(), amount)],
                }
            }
            (_, 5) if row >= COUNTED => Action::Delete,
            (_, 6) if row >= COUNTED => Action::Insert(seed),
            // It moves to another scope.
            (_, 7) => patch("branchId", format!("b{}", self.random.u8(..3)).into()),
            _ => patch("note", note(&mut self.random)),
        };
        self.batches += 1;
        let intent = Intent {
            batch: BatchId {
                replica: ReplicaId::from_bytes([at as u8 + 1; 16]),
                sequence: self.batches,
            },
            operations: vec![Operation {
                model: &STOCK,
                id,
                expect: STOCK
                    .hash_of(found.as_ref())
                    .expect("it fits the model")
                    .map_or(Expect::Absent, Expect::Hash),
                action,
                record: Record {
                    covers: None,
                    sent: None,
                    undo: Undo::Seed,
                },
            }],
        };
        let outcome = self.replica(at).write(&intent).await.expect("it is taken");
        assert_eq!(outcome, WriteOutcome::Applied);
    }

    fn connect(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            if !self.wires.contains_key(&(from, to)) {
                let device = self.nodes[to].device;
                self.nodes[from].exchange.connect(link(to), device);
                self.wires.insert((from, to), VecDeque::new());
            }
        }
    }

    /// Whatever is on its way is lost.
    async fn cut(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            if self.wires.remove(&(from, to)).is_some() {
                let confirmed = self.nodes[from].exchange.disconnect(link(to));
                if let Some(replica) = &mut self.nodes[from].replica {
                    replica.confirm(confirmed).await;
                }
            }
        }
    }

    /// Everything that is ready goes on its way.
    fn send(&mut self, from: usize) {
        let targets: Vec<usize> = self
            .wires
            .keys()
            .filter(|(one, _)| *one == from)
            .map(|(_, to)| *to)
            .collect();
        let now = self.now;
        for to in targets {
            let node = &mut self.nodes[from];
            let replica = node.replica.as_ref().expect("it is open");
            while let Some(message) = node
                .exchange
                .next(link(to), replica, now)
                .expect("it can be said")
            {
                if let Some(wire) = self.wires.get_mut(&(from, to)) {
                    wire.push_back(message.encode());
                }
            }
        }
    }

    /// Some frames arrive, now and then one of them twice.
    async fn deliver(&mut self, from: usize, to: usize, most: usize) -> bool {
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
                let taken = node.exchange.receive(link(from), message, replica).await;
                taken.expect("it is taken");
            }
        }
        any
    }

    /// The process dies and starts again, perhaps with an old copy of its file.
    async fn restart(&mut self, at: usize, file: Option<Vec<u8>>) {
        for other in 0..self.nodes.len() {
            if other != at {
                self.cut(at, other).await;
            }
        }
        let replica = self.nodes[at].replica.take().expect("it is open");
        // SQLite's files as a crash leaves them would need the process to die; a close keeps no more than what was committed.
        replica.close().await;
        let node = &mut self.nodes[at];
        if let Some(bytes) = file {
            std::fs::write(&node.file, bytes).expect("it can be written");
        }
        let (replica, exchange, _) = open(&node.file).await;
        node.replica = Some(replica);
        node.exchange = exchange;
    }

    fn version(&mut self, at: usize) -> VersionVector {
        let held = self.replica(at).held().next().map(|held| held.version.clone());
        held.unwrap_or_default()
    }

    async fn step(&mut self) {
        self.now += Duration::from_millis(self.random.u64(..40));
        let count = self.nodes.len();
        let (at, other) = (self.random.usize(..count), self.random.usize(..count));
        match self.random.u8(..100) {
            0..=39 => self.write(at).await,
            40..=54 if at != other => self.connect(at, other),
            55..=58 if at != other => self.cut(at, other).await,
            59..=60 => self.restart(at, None).await,
            61..=62 => {
                // A copy is made of a closed file.
                self.restart(at, None).await;
                let replica = self.nodes[at].replica.take().expect("it is open");
                replica.close().await;
                self.nodes[at].copy = std::fs::read(&self.nodes[at].file).ok();
                let (replica, exchange, _) = open(&self.nodes[at].file).await;
                self.nodes[at].replica = Some(replica);
                self.nodes[at].exchange = exchange;
            }
            63 => self.restore(at).await,
            64 => {
                let confirmed = self.nodes[at].exchange.confirmed();
                let device = self.nodes[at].device;
                let replica = self.replica(at);
                replica.confirm(confirmed).await;
                self.trimmed += replica.trim(&device).await.expect("it can be trimmed").len();
            }
            65..=79 => self.send(at),
            _ => {
                let most = self.random.usize(..4);
                self.deliver(at, other, most).await;
            }
        }
    }

    /// An old copy comes back, when somebody else holds all that it lacks: else that would be lost, as it would be with any store.
    async fn restore(&mut self, at: usize) {
        let Some(copy) = self.nodes[at].copy.take() else {
            return;
        };
        let ours = self.version(at);
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            if self.version(other).includes_vv(&ours) {
                self.restart(at, Some(copy)).await;
                return;
            }
        }
    }

    /// Connects everybody and lets everything arrive.
    async fn settle(&mut self) {
        for round in 0..400 {
            self.now += Duration::from_millis(100);
            if round % 20 == 0 {
                for at in 0..self.nodes.len() {
                    self.nodes[at].exchange.remind();
                }
            }
            for at in 1..self.nodes.len() {
                self.connect(at - 1, at);
            }
            let mut any = false;
            for at in 0..self.nodes.len() {
                self.send(at);
            }
            let wires: Vec<(usize, usize)> = self.wires.keys().copied().collect();
            for (from, to) in wires {
                any |= self.deliver(from, to, usize::MAX).await;
            }
            if !any && round % 20 == 19 && self.is_even() {
                return;
            }
        }
        panic!("it never gets quiet");
    }

    fn is_even(&mut self) -> bool {
        let first = self.version(0);
        (1..self.nodes.len()).all(|at| self.version(at) == first)
    }

    async fn check(&mut self) {
        for row in 0..COUNTED + WILD {
            let name = format!("s{row}");
            let id = DocumentId::text(&name).expect("a short id");
            let first = self.found(0, &id).await;
            for at in 1..self.nodes.len() {
                assert_eq!(self.found(at, &id).await, first, "{name} at 0 and {at}");
            }
            if let Some(sum) = self.sums.get(&name) {
                let quantity = first.as_ref().and_then(|document| document.get("quantity"));
                assert_eq!(quantity, Some(&Value::Int(*sum)), "{name}");
            }
        }
        let digests: Vec<Option<u64>> = (0..self.nodes.len())
            .map(|at| self.replica(at).held().next().map(|held| held.digest))
            .collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

fn stock(id: &str, quantity: i64) -> Document {
    let fields: [(&str, Value); 4] = [
        ("id", id.into()),
        ("branchId", "b0".into()),
        ("quantity", quantity.into()),
        ("note", Value::Null),
    ];
    fields.into_iter().collect()
}

async fn run(seed: u64) -> usize {
    let mut world = World::new(seed, 2 + (seed % 3) as usize).await;
    for _ in 0..250 {
        world.step().await;
    }
    world.settle().await;
    world.check().await;
    world.trimmed
}

/// Schedules that are run.
const SCHEDULES: u64 = 60;

#[tokio::test]
async fn replicas_converge_and_count_exactly_whatever_happens_between_them() {
    let first = std::env::var("DITTO_SYNC_MESH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(0..SCHEDULES, |seed: u64| seed..seed + 1);
    let mut trimmed = 0;
    for seed in seeds {
        let ran = std::panic::AssertUnwindSafe(run(seed));
        match futures_util::FutureExt::catch_unwind(ran).await {
            Ok(count) => trimmed += count,
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("replay with DITTO_SYNC_MESH_SEED={seed}: {text}");
            }
        }
    }
    assert!(first.is_some() || trimmed > 0, "some schedules trim history");
}
