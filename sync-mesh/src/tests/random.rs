//! Replicas that write, exchange, change what they take, lose connections, frames and power, crash and come back from old copies, at random: at the end all hold the same, so do
//! the apps that observe them, and every increment counts once.

mod mirror;
mod world;

use std::{collections::BTreeMap, time::Duration};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::WriteOutcome,
    value::Value,
};
use ditto_sync_testkit::models::{BRANCH_STOCK, STOCK};
use fastrand::Rng;
use loro::VersionVector;

use self::world::{Seen, World};
use crate::{data::ShardKey, interest::Interest, limits::PUSH_PAUSE};

/// Rows that are only counted and noted on: their sums are known.
const COUNTED: usize = 3;
/// Rows to which anything happens.
const WILD: usize = 4;

impl World {
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
        let branch = if row < COUNTED { 0 } else { self.random.u8(..3) };
        let seed = stock(&name, branch, if row < COUNTED { 10 } else { amount });
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
            (_, 6) if row >= COUNTED && self.random.bool() => Action::Insert(seed),
            // It moves to another scope; more often where that is another document.
            (_, 6..=7) => patch("branchId", format!("b{}", self.random.u8(..3)).into()),
            _ => patch("note", note(&mut self.random)),
        };
        self.batches += 1;
        let intent = Intent {
            batch: BatchId {
                replica: ReplicaId::from_bytes([at as u8 + 1; 16]),
                sequence: self.batches,
            },
            operations: vec![Operation {
                model: self.model,
                id,
                expect: self
                    .model
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

    async fn step(&mut self) {
        self.now += Duration::from_millis(self.random.u64(..40));
        let count = self.nodes.len();
        let (at, other) = (self.random.usize(..count), self.random.usize(..count));
        match self.random.u8(..100) {
            0..=34 => self.write(at).await,
            35..=49 if at != other => self.connect(at, other),
            50..=52 if at != other => self.cut(at, other).await,
            53..=54 => self.restart(at, None).await,
            55 => self.copy(at).await,
            56 => self.restore(at).await,
            57..=58 => self.trim(at).await,
            59..=61 => self.lose_power(at).await,
            62..=64 if at != other => self.disorder(at, other).await,
            65..=66 => self.change_interest(at).await,
            67..=69 => self.observe(at).await,
            70..=82 => self.send(at).await,
            _ => {
                let most = self.random.usize(..4);
                self.deliver(at, other, most).await;
            }
        }
        for at in 0..self.nodes.len() {
            let unsound = self.replica(at).unsound();
            assert!(unsound.is_empty(), "{at}: {unsound:?}");
        }
    }

    /// Updates overtake each other on one wire.
    async fn disorder(&mut self, from: usize, to: usize) {
        self.connect(from, to);
        self.exchange_with_all(from).await;
        for _ in 0..2 {
            self.write(from).await;
            self.now += PUSH_PAUSE;
            self.send(from).await;
        }
        self.swap(from, to);
    }

    async fn trim(&mut self, at: usize) {
        self.exchange_with_all(at).await;
        let confirmed = self.nodes[at].exchange.confirmed();
        let device = *self.nodes[at].exchange.own();
        let replica = self.replica(at);
        replica.secure().await.expect("it can be synced");
        replica.confirm(confirmed).await;
        let trimmed = replica.trim(&device).await.expect("it can be trimmed");
        self.seen.trimmed += trimmed.len();
    }

    /// The device takes something else.
    async fn change_interest(&mut self, at: usize) {
        let branch = format!("b{}", self.random.u8(..3));
        let parted = Interest::everything().partition("stocks", [("branchId", branch.as_str())]);
        let interest = match self.random.u8(..4) {
            0 => Interest::everything(),
            1 => Interest::nothing(),
            _ => parted.expect("text parts rows"),
        };
        self.take(at, interest).await;
    }

    async fn take(&mut self, at: usize, interest: Interest) {
        self.replica(at).set_interest(interest);
        self.nodes[at].exchange.change_interest();
        self.exchange_with_all(at).await;
    }

    /// An old copy comes back, when somebody else holds all that it lacks: else that would be lost, as it would be with any store.
    async fn restore(&mut self, at: usize) {
        let Some(copy) = self.nodes[at].copy.take() else {
            return;
        };
        let ours = self.version(at);
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            if includes(&self.version(other), &ours) {
                self.restart(at, Some(copy)).await;
                return;
            }
        }
    }

    /// Connects everybody and lets everything arrive.
    async fn settle(&mut self) {
        for at in 0..self.nodes.len() {
            self.take(at, Interest::everything()).await;
        }
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
                self.send(at).await;
            }
            let wires: Vec<(usize, usize)> = self.wires.keys().copied().collect();
            for (from, to) in wires {
                any |= self.deliver(from, to, usize::MAX).await;
            }
            if !any && round % 20 == 19 && self.is_even() {
                return;
            }
        }
        let versions: Vec<_> = (0..self.nodes.len()).map(|at| self.version(at)).collect();
        panic!("it never gets quiet: {versions:#?}");
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
            for at in 0..self.nodes.len() {
                self.observe(at).await;
                let mirrored = self.nodes[at].mirror.document(&id);
                assert_eq!(mirrored, first.as_ref(), "{name} in the app at {at}");
            }
            if let Some(sum) = self.sums.get(&name) {
                let quantity = first.as_ref().and_then(|document| document.get("quantity"));
                assert_eq!(quantity, Some(&Value::Int(*sum)), "{name}");
            }
        }
        let digests: Vec<BTreeMap<ShardKey, u64>> = (0..self.nodes.len())
            .map(|at| {
                let held = self.replica(at).held();
                let held = held.filter(|held| !held.version.is_empty());
                held.map(|held| (held.key.clone(), held.digest)).collect()
            })
            .collect();
        self.seen.moved += digests[0].len().saturating_sub(1);
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

fn includes(all: &BTreeMap<ShardKey, VersionVector>, some: &BTreeMap<ShardKey, VersionVector>) -> bool {
    let held = |(key, version)| all.get(key).is_some_and(|held| held.includes_vv(version));
    some.iter().all(held)
}

fn stock(id: &str, branch: u8, quantity: i64) -> Document {
    let fields: [(&str, Value); 4] = [
        ("id", id.into()),
        ("branchId", format!("b{branch}").into()),
        ("quantity", quantity.into()),
        ("note", Value::Null),
    ];
    fields.into_iter().collect()
}

async fn run(seed: u64) -> Seen {
    // With one document, and with one for each branch.
    let model = if seed.is_multiple_of(2) {
        &BRANCH_STOCK
    } else {
        &STOCK
    };
    let mut world = World::new(model, seed, 2 + (seed / 2 % 3) as usize).await;
    for _ in 0..250 {
        world.step().await;
    }
    world.settle().await;
    world.check().await;
    world.seen
}

/// Schedules that are run: `DITTO_SYNC_MESH_SCHEDULES` for more.
const SCHEDULES: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .and_then(|number| number.parse().ok())
}

#[tokio::test]
async fn replicas_converge_and_count_exactly_whatever_happens_between_them() {
    let only = number("DITTO_SYNC_MESH_SEED");
    let schedules = number("DITTO_SYNC_MESH_SCHEDULES").unwrap_or(SCHEDULES);
    let seeds = only.map_or(0..schedules, |seed| seed..seed + 1);
    let mut seen = Seen::default();
    for seed in seeds {
        let ran = std::panic::AssertUnwindSafe(run(seed));
        match futures_util::FutureExt::catch_unwind(ran).await {
            Ok(of_one) => seen.add(&of_one),
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!(
                    "replay with DITTO_SYNC_MESH_SEED={seed} cargo test -p ditto-sync-mesh whatever_happens: {text}"
                );
            }
        }
    }
    assert!(
        only.is_some() || seen.everything(),
        "a schedule met all of it: {seen:?}"
    );
}
