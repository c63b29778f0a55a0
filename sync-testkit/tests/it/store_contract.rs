//! The memory store passes the store contract in both flavors, and so does a slot that holds it.

use ditto_sync_core::store::{DocumentStore, StoreSlot};
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore, contract::store::StoreFixture};

mod ditto_flavor {
    ditto_sync_testkit::store_contract!(super::MemoryFixture::new(super::Flavor::Ditto));
}

mod mesh_flavor {
    ditto_sync_testkit::store_contract!(super::MemoryFixture::new(super::Flavor::Mesh));
}

mod in_a_slot {
    ditto_sync_testkit::store_contract!(super::SlotFixture(super::MemoryFixture::new(super::Flavor::Mesh)));
}

#[tokio::test]
async fn one_fixture_serves_the_whole_contract() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        ditto_sync_testkit::contract::store::check_store(&MemoryFixture::new(flavor)).await;
    }
}

struct MemoryFixture(MemoryHub);

impl MemoryFixture {
    fn new(flavor: Flavor) -> Self {
        Self(MemoryHub::new(MemoryConfig::new(flavor)))
    }
}

impl StoreFixture for MemoryFixture {
    type Store = MemoryStore;

    async fn open(&self, name: &str) -> MemoryStore {
        let store = self.0.store(name);
        // Every case is alone until it asks for a peer.
        self.0.network().isolate(name);
        store
    }

    async fn reopen(&self, name: &str, store: MemoryStore) -> MemoryStore {
        drop(store);
        self.0.store(name)
    }

    fn has_peers(&self) -> bool {
        true
    }

    async fn connect(&self, one: &MemoryStore, other: &MemoryStore) {
        self.0.network().heal(one.name(), other.name());
    }

    async fn disconnect(&self, one: &MemoryStore, other: &MemoryStore) {
        self.0.network().partition(one.name(), other.name());
    }

    async fn settle(&self, _: &MemoryStore, _: &MemoryStore) {
        self.0.network().drain();
    }
}

struct SlotFixture(MemoryFixture);

impl SlotFixture {
    fn inner(slot: &StoreSlot<MemoryStore>) -> MemoryStore {
        slot.store().expect("the slot holds a store").as_ref().clone()
    }
}

impl StoreFixture for SlotFixture {
    type Store = StoreSlot<MemoryStore>;

    async fn open(&self, name: &str) -> StoreSlot<MemoryStore> {
        let slot = StoreSlot::of(self.0.open(name).await);
        slot.attached().await;
        slot
    }

    async fn reopen(&self, name: &str, slot: StoreSlot<MemoryStore>) -> StoreSlot<MemoryStore> {
        let store = Self::inner(&slot);
        slot.set_store(None);
        slot.set_store(Some(self.0.reopen(name, store).await));
        slot.attached().await;
        slot
    }

    fn has_peers(&self) -> bool {
        true
    }

    async fn connect(&self, one: &StoreSlot<MemoryStore>, other: &StoreSlot<MemoryStore>) {
        self.0.connect(&Self::inner(one), &Self::inner(other)).await;
    }

    async fn disconnect(&self, one: &StoreSlot<MemoryStore>, other: &StoreSlot<MemoryStore>) {
        self.0.disconnect(&Self::inner(one), &Self::inner(other)).await;
    }

    async fn settle(&self, one: &StoreSlot<MemoryStore>, other: &StoreSlot<MemoryStore>) {
        self.0.settle(&Self::inner(one), &Self::inner(other)).await;
    }
}
