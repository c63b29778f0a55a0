//! Where memory stores live: [`MemoryHub`], its configuration, and the accidents that befall a whole store.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use super::{
    Flavor, MemoryStore,
    network::{Network, NetworkState},
    peer::{self, Peer},
    replica::Replica,
    stamp::Writer,
};

/// What the stores of a hub are like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// Which engine they behave like.
    pub flavor: Flavor,
    /// Of all that is random: store ids and the network. The same seed and the same calls give the same results.
    pub seed: u64,
    /// Bigger documents are rejected, in bytes. Ditto's limit by default: 5 MiB.
    pub document_bytes_max: usize,
    /// Whether stores take values that none should (floats that are not finite, nesting without end), as those of a peer with other ideas may.
    pub any_value: bool,
    /// Most operations that one intent should hold.
    pub intent_operations_max: usize,
    /// Whether each write is put on the (not live) network at once. Otherwise [`Network::send`] does it.
    pub send_on_write: bool,
}

impl MemoryConfig {
    /// Stores of this flavor, seed 0, the usual limits.
    #[must_use]
    pub fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            seed: 0,
            document_bytes_max: 5 * 1024 * 1024,
            any_value: false,
            intent_operations_max: 1000,
            send_on_write: true,
        }
    }

    /// Another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Another size limit of documents, in bytes.
    #[must_use]
    pub fn with_document_bytes_max(mut self, bytes: usize) -> Self {
        self.document_bytes_max = bytes;
        self
    }

    /// Stores that take any value: for tests of what such a document does where it comes in.
    #[must_use]
    pub fn with_any_value(mut self) -> Self {
        self.any_value = true;
        self
    }

    /// Another number of operations in one intent.
    #[must_use]
    pub fn with_intent_operations_max(mut self, operations: usize) -> Self {
        self.intent_operations_max = operations;
        self
    }

    /// Nothing is sent before [`Network::send`] or [`Network::drain`].
    #[must_use]
    pub fn without_send_on_write(mut self) -> Self {
        self.send_on_write = false;
        self
    }
}

/// A set of memory stores and the simulated network between them. Clones are the same hub.
///
/// ```
/// use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub};
///
/// let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
/// let (till_1, till_2) = (hub.store("till-1"), hub.store("till-2"));
/// // Writes wait on the network until a test lets them arrive, in whatever order it wants.
/// hub.network().drain();
/// # let _ = (till_1, till_2);
/// ```
#[derive(Debug, Clone)]
pub struct MemoryHub {
    pub(super) inner: Arc<HubInner>,
}

#[derive(Debug)]
pub(super) struct HubInner {
    pub(super) config: MemoryConfig,
    /// Whether the network moves by itself. Beside its lock, so that a write never waits for the traffic of others.
    pub(super) live: AtomicBool,
    /// Wakes the live network.
    pub(super) wake: Notify,
    /// Ticks with everything that happens; the wall clock of the stores.
    now: AtomicU64,
    writers: AtomicU32,
    random: Mutex<fastrand::Rng>,
    network: Mutex<NetworkState>,
}

impl MemoryHub {
    /// A hub without stores.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let network = NetworkState::new(random.fork());
        Self {
            inner: Arc::new(HubInner {
                config,
                live: AtomicBool::new(false),
                wake: Notify::new(),
                now: AtomicU64::new(0),
                writers: AtomicU32::new(0),
                random: Mutex::new(random),
                network: Mutex::new(network),
            }),
        }
    }

    /// The store named `name`: a new one, or, after a restart, the one that was there: documents and batch numbers are as they were, and
    /// observations of before are closed. Handles of before keep working.
    #[must_use]
    pub fn store(&self, name: &str) -> MemoryStore {
        let mut network = self.inner.network();
        let peer = match network.peer_named(name) {
            Some(peer) => {
                peer.lock().opening += 1;
                peer.notify();
                peer
            }
            None => {
                let replica = self.inner.new_replica(name);
                network.add_peer(name, replica)
            }
        };
        drop(network);
        self.inner.wake.notify_one();
        MemoryStore::new(self.clone(), peer)
    }

    /// The directory of this store is lost: it starts empty, under another store id. Peers give it back what they hold.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn lose_store(&self, name: &str) {
        let peer = self.inner.network().existing_peer(name);
        let replica = self.inner.new_replica(name);
        let mut state = peer.lock();
        state.replica = replica;
        state.opening += 1;
        drop(state);
        peer.notify();
        self.inner.wake.notify_one();
    }

    /// A power loss takes back up to `count` (at most 3) of the newest writes of this store that were not sent yet, as an engine does that does
    /// not sync each commit; returns how many. Ditto flavor only: 0 in the mesh flavor.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn lose_newest_writes(&self, name: &str, count: usize) -> usize {
        let peer = self.inner.network().existing_peer(name);
        let mut state = peer.lock();
        state.opening += 1;
        let lost = state.replica.lose_newest_writes(count);
        drop(state);
        peer.notify();
        lost
    }

    /// Sets the wall clock of this store ahead by `ticks` (one tick is one event in the hub). Only the Ditto flavor looks at it.
    ///
    /// # Panics
    /// When there is no store of that name.
    pub fn set_clock_skew(&self, name: &str, ticks: u64) {
        let peer = self.inner.network().existing_peer(name);
        peer.lock().skew = ticks;
    }

    /// Lets time pass for all wall clocks.
    pub fn advance_clock(&self, ticks: u64) {
        self.inner.now.fetch_add(ticks, Ordering::Relaxed);
    }

    /// The network between the stores.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::new(Arc::clone(&self.inner))
    }
}

impl HubInner {
    pub(super) fn network(&self) -> MutexGuard<'_, NetworkState> {
        peer::lock(&self.network)
    }

    /// The next tick of the wall clock.
    pub(super) fn tick(&self) -> u64 {
        self.now.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Called after `peer` has written, without its lock.
    pub(super) fn written(&self, peer: &Peer) {
        if self.live.load(Ordering::Acquire) {
            self.wake.notify_one();
        } else if self.config.send_on_write {
            self.network().queue_from(peer.index);
        }
    }

    pub(super) fn new_writer(&self) -> Writer {
        Writer::new(self.writers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn new_replica(&self, name: &str) -> Replica {
        let writer = self.new_writer();
        let store_id = format!("{name}-{:016x}", peer::lock(&self.random).u64(..));
        Replica::new(self.config.flavor, store_id, writer.number().into(), writer)
    }
}
