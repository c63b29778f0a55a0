//! Whatever the network does, replicas converge and counters are exact.

use std::collections::BTreeSet;

use ditto_sync_core::{document::Document, intent::Action, store::DocumentStore};
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore, models::STOCK};
use futures_util::FutureExt;
use proptest::prelude::*;

use super::{increment, stock, stock_id, write_stock};

const NAMES: [&str; 3] = ["one", "two", "three"];
const IDS: [&str; 2] = ["s1", "s2"];

/// One step of a schedule. A step that does not apply is skipped.
#[derive(Debug, Clone)]
enum Step {
    Insert(usize, usize, i64),
    Seed(usize, usize, i64),
    Increment(usize, usize, i64),
    Note(usize, usize, u8),
    Delete(usize, usize),
    Deliver,
    Duplicate,
    Drop,
    Partition(usize, usize),
    Heal(usize, usize),
    Restart(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let (peer, id) = (0..NAMES.len(), 0..IDS.len());
    let target = (peer.clone(), id);
    prop_oneof![
        3 => (target.clone(), 0..100_i64).prop_map(|((peer, id), n)| Step::Insert(peer, id, n)),
        1 => (target.clone(), 0..3_i64).prop_map(|((peer, id), n)| Step::Seed(peer, id, n)),
        2 => target.clone().prop_map(|(peer, id)| Step::Delete(peer, id)),
        2 => (target.clone(), any::<u8>()).prop_map(|((peer, id), note)| Step::Note(peer, id, note)),
        3 => (target, any::<i64>()).prop_map(|((peer, id), n)| Step::Increment(peer, id, n)),
        8 => any_network_step(peer),
    ]
}

fn any_network_step(peer: std::ops::Range<usize>) -> impl Strategy<Value = Step> {
    let pair = (peer.clone(), peer.clone());
    prop_oneof![
        8 => Just(Step::Deliver),
        2 => Just(Step::Duplicate),
        2 => Just(Step::Drop),
        1 => pair.clone().prop_map(|(one, other)| Step::Partition(one, other)),
        2 => pair.prop_map(|(one, other)| Step::Heal(one, other)),
        1 => peer.prop_map(Step::Restart),
    ]
}

struct World {
    hub: MemoryHub,
    stores: Vec<MemoryStore>,
}

impl World {
    fn new(flavor: Flavor, seed: u64) -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(flavor).with_seed(seed));
        let stores = NAMES.map(|name| hub.store(name)).to_vec();
        hub.set_clock_skew("two", 5);
        Self { hub, stores }
    }

    /// Carries out a step; whether it wrote.
    fn step(&mut self, step: &Step) -> bool {
        let network = self.hub.network();
        match *step {
            Step::Insert(peer, id, n) => return self.write(peer, id, Action::Insert(stock(IDS[id], n))),
            Step::Seed(peer, id, n) => return self.seed(peer, id, n),
            Step::Increment(peer, id, n) => return self.write_existing(peer, id, increment(n)),
            Step::Delete(peer, id) => return self.write_existing(peer, id, Action::Delete),
            Step::Note(peer, id, note) => {
                let set = vec![("note".into(), note.to_string().into())];
                return self.write_existing(
                    peer,
                    id,
                    Action::Patch {
                        set,
                        increments: Vec::new(),
                    },
                );
            }
            Step::Deliver => drop(network.deliver_random()),
            Step::Duplicate => drop(network.duplicate_random()),
            Step::Drop => drop(network.drop_random()),
            Step::Partition(one, other) => network.partition(NAMES[one], NAMES[other]),
            Step::Heal(one, other) => network.heal(NAMES[one], NAMES[other]),
            Step::Restart(peer) => self.stores[peer] = self.hub.store(NAMES[peer]),
        }
        false
    }

    fn write(&self, peer: usize, id: usize, action: Action) -> bool {
        write_stock(&self.stores[peer], IDS[id], action)
            .now_or_never()
            .unwrap()
            .unwrap();
        true
    }

    fn write_existing(&self, peer: usize, id: usize, action: Action) -> bool {
        self.document(peer, id).is_some() && self.write(peer, id, action)
    }

    fn seed(&self, peer: usize, id: usize, n: i64) -> bool {
        self.document(peer, id).is_none() && self.write(peer, id, Action::Seed(stock(IDS[id], n)))
    }

    fn document(&self, peer: usize, id: usize) -> Option<Document> {
        let fetched = self.stores[peer]
            .fetch(&STOCK, &[stock_id(IDS[id])])
            .now_or_never();
        fetched.unwrap().unwrap().remove(0)
    }

    fn settle(&self) {
        self.hub.network().heal_all();
        self.hub.network().drain();
    }

    /// Everything a store holds, husks too.
    fn contents(&self, peer: usize) -> Vec<Option<Document>> {
        let store = &self.stores[peer];
        IDS.iter()
            .map(|id| store.raw_document(&STOCK, &stock_id(id)))
            .collect()
    }
}

fn replicas_converge(flavor: Flavor, seed: u64, steps: &[Step]) {
    let mut world = World::new(flavor, seed);
    for step in steps {
        world.step(step);
    }
    world.settle();
    for (peer, name) in NAMES.iter().enumerate() {
        assert_eq!(
            world.contents(peer),
            world.contents(0),
            "{flavor:?}: {name} differs"
        );
    }
    assert_eq!(world.hub.network().drain(), 0, "what has settled stays quiet");
}

fn counters_are_exact(flavor: Flavor, seed: u64, steps: &[Step]) {
    let mut world = World::new(flavor, seed);
    for (id, name) in IDS.iter().enumerate() {
        world.write(0, id, Action::Insert(stock(name, 0)));
    }
    world.settle();
    let mut sums = [0_i64; IDS.len()];
    for step in steps {
        let once = matches!(step, Step::Insert(..) | Step::Seed(..) | Step::Delete(..));
        if !once
            && world.step(step)
            && let Step::Increment(_, id, n) = *step
        {
            sums[id] = sums[id].wrapping_add(n);
        }
    }
    world.settle();
    for (peer, name) in NAMES.iter().enumerate() {
        for (id, sum) in sums.iter().enumerate() {
            let document = world.document(peer, id).unwrap();
            assert_eq!(
                document.get("quantity"),
                Some(&(*sum).into()),
                "{flavor:?}: {name}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_converge_whatever_the_network_does(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any_step(), 0..120),
    ) {
        replicas_converge(Flavor::Ditto, seed, &steps);
        replicas_converge(Flavor::Mesh, seed, &steps);
    }

    #[test]
    fn counters_equal_the_sum_of_all_increments(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any_step(), 0..120),
    ) {
        counters_are_exact(Flavor::Ditto, seed, &steps);
        counters_are_exact(Flavor::Mesh, seed, &steps);
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_results(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any_step(), 0..80),
    ) {
        let run = |flavor| {
            let mut world = World::new(flavor, seed);
            for step in &steps {
                world.step(step);
            }
            let contents: Vec<_> = (0..NAMES.len()).map(|peer| world.contents(peer)).collect();
            let ids: BTreeSet<_> = world.stores.iter().map(|store| store.store_id().to_string()).collect();
            (contents, ids, world.hub.network().in_flight())
        };
        prop_assert_eq!(run(Flavor::Ditto), run(Flavor::Ditto));
        prop_assert_eq!(run(Flavor::Mesh), run(Flavor::Mesh));
    }
}
