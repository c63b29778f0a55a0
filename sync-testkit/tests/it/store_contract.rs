//! The memory store passes the store contract in both flavors.

use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore, contract::store::StoreFixture};

mod ditto_flavor {
    ditto_sync_testkit::store_contract!(super::MemoryFixture::new(super::Flavor::Ditto));
}

mod mesh_flavor {
    ditto_sync_testkit::store_contract!(super::MemoryFixture::new(super::Flavor::Mesh));
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
