//! Mesh stores in one process, connected without a network.

use std::{collections::HashMap, time::Duration};

use ditto_sync_core::{descriptor::ModelDescriptor, intent::ReplicaId, store::DocumentStore};
use ditto_sync_testkit::contract::store::StoreFixture;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use crate::{
    MeshStore,
    engine::{Command, EngineHandle},
    limits::MESSAGES_WAITING,
    link::carry,
};

/// By the names of both ends.
type Wires = HashMap<(String, String), [JoinHandle<()>; 2]>;

/// Stores in directories that go with it, and the wires between them.
pub(super) struct Meshes {
    stock: &'static ModelDescriptor,
    directory: TempDir,
    wires: Mutex<Wires>,
}

impl Meshes {
    pub(super) fn new(stock: &'static ModelDescriptor) -> Self {
        Self {
            stock,
            directory: tempfile::tempdir().expect("a directory for tests can be made"),
            wires: Mutex::default(),
        }
    }

    fn key(one: &MeshStore, other: &MeshStore) -> (String, String) {
        let mut names = [one, other].map(|store| store.engine().store.to_string());
        names.sort();
        names.into()
    }
}

/// The public key of a store's device.
pub(super) async fn device_of(engine: &EngineHandle) -> [u8; 32] {
    let owner = engine
        .ask(Command::Owner)
        .await
        .expect("an open store says who it is");
    *iroh::SecretKey::from_bytes(&owner.key).public().as_bytes()
}

/// Connects two stores until the tasks are stopped.
pub(super) fn wire(one: &MeshStore, other: &MeshStore) -> [JoinHandle<()>; 2] {
    let (to_one, at_one) = mpsc::channel(MESSAGES_WAITING);
    let (to_other, at_other) = mpsc::channel(MESSAGES_WAITING);
    [(one, at_one, to_other), (other, at_other, to_one)].map(|(store, incoming, outgoing)| {
        let engine = store.engine().clone();
        let peer = if std::ptr::eq(store, one) { other } else { one };
        let peer = peer.engine().clone();
        tokio::spawn(async move {
            let device = device_of(&peer).await;
            carry(&engine, device, incoming, outgoing)
                .await
                .expect("peers of tests keep the protocol");
        })
    })
}

async fn holds_all_of(one: &MeshStore, other: &MeshStore) -> bool {
    let asking = ReplicaId::from_bytes([0; 16]);
    let identity = other
        .identity(asking)
        .await
        .expect("an open store says who it is");
    let frontier = identity.frontier.expect("a mesh store knows what it holds");
    one.covers(&frontier).await.expect("a frontier can be compared") == Some(true)
}

impl StoreFixture for Meshes {
    type Store = MeshStore;

    fn stock(&self) -> &'static ModelDescriptor {
        self.stock
    }

    async fn open(&self, name: &str) -> MeshStore {
        let directory = self.directory.path().join(name);
        MeshStore::builder("tests")
            .directory(directory)
            .offline()
            .open()
            .await
            .expect("a store opens")
    }

    async fn reopen(&self, name: &str, store: MeshStore) -> MeshStore {
        store.close().await;
        self.open(name).await
    }

    fn has_peers(&self) -> bool {
        true
    }

    async fn connect(&self, one: &MeshStore, other: &MeshStore) {
        let mut wires = self.wires.lock().await;
        wires
            .entry(Self::key(one, other))
            .or_insert_with(|| wire(one, other));
    }

    async fn disconnect(&self, one: &MeshStore, other: &MeshStore) {
        for task in self
            .wires
            .lock()
            .await
            .remove(&Self::key(one, other))
            .into_iter()
            .flatten()
        {
            task.abort();
            // Ended by the abort, as it should be.
            let _ = task.await;
        }
    }

    async fn settle(&self, one: &MeshStore, other: &MeshStore) {
        let settled = async {
            while !(holds_all_of(one, other).await && holds_all_of(other, one).await) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), settled)
            .await
            .expect("connected stores come to hold the same");
    }
}
