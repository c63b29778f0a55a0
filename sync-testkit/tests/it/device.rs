//! One running device of the coordinator tests: a coordinator on a memory repository and a memory store.
//!
//! Not here: what several of them do to each other, and what goes wrong (`coordinator`, `quarantine`).

use std::{sync::Arc, time::Duration};

use ditto_sync_core::{
    clock::{Clock, SystemClock},
    column::{ColumnValue, Image},
    config::SyncConfig,
    coordinator::{Coordinator, Setup, SyncHandle},
    id::DocumentId,
};
use ditto_sync_testkit::{
    Flavor, MemoryStore,
    memory_repository::MemoryRepository,
    models::{ORDER_LINE, STOCK},
};
use tokio::task::JoinHandle;

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

pub(crate) struct Device {
    pub(crate) repository: MemoryRepository,
    pub(crate) store: MemoryStore,
    pub(crate) sync: SyncHandle,
    pub(crate) task: JoinHandle<()>,
}

impl Device {
    pub(crate) async fn start(repository: MemoryRepository, store: MemoryStore) -> Self {
        Self::start_by(Arc::new(SystemClock::new()), repository, store).await
    }

    pub(crate) async fn start_by(
        clock: Arc<dyn Clock>,
        repository: MemoryRepository,
        store: MemoryStore,
    ) -> Self {
        let mut setup = Setup::new(vec![&STOCK, &ORDER_LINE]);
        setup.clock = clock;
        setup.config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        setup.seed = 1;
        let prepared = Coordinator::prepare(repository.clone(), store.clone(), setup).await;
        let (sync, coordinator) = prepared.expect("the repository is prepared");
        let task = tokio::spawn(coordinator.run());
        Self {
            repository,
            store,
            sync,
            task,
        }
    }

    /// A crash: the coordinator is gone at whatever await it was, then starts again.
    pub(crate) async fn crash_and_start(self) -> Self {
        self.task.abort();
        let _ = self.task.await;
        Self::start(self.repository.restart(), self.store).await
    }

    pub(crate) async fn settled(&self) {
        let settled = self.sync.settled(PATIENCE).await;
        settled.expect("everything local reaches the store");
    }

    pub(crate) fn put(&self, id: &DocumentId, image: &Image) {
        self.repository
            .app()
            .upsert(&STOCK, id, image)
            .expect("the app writes");
    }

    pub(crate) fn set(&self, id: &DocumentId, column: &'static str, value: ColumnValue) {
        self.repository
            .app()
            .update(&STOCK, id, &[(column, value)])
            .expect("the app writes");
    }
}

pub(crate) async fn until(condition: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it never came true: {}",
            otherwise()
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a valid id")
}
