//! A store that comes later, goes away and comes back, and a coordinator that is paused and resumed.

use std::time::Duration;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    config::SyncConfig,
    coordinator::{Coordinator, PauseError, RecordError, SettleError, Setup, SyncHandle},
    error::ErrorKind,
    id::DocumentId,
    intent::ReplicaId,
    repository::{Repository, RepositoryError},
    status::Phase,
    store::{DocumentStore, Observation, StoreError, StoreSlot},
};
use ditto_sync_testkit::{
    Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, StoreCall,
    memory_repository::MemoryRepository, models::STOCK,
};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);
const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

struct Device {
    repository: MemoryRepository,
    slot: StoreSlot<MemoryStore>,
    sync: SyncHandle,
    _task: JoinHandle<()>,
}

impl Device {
    async fn start(repository: MemoryRepository, slot: StoreSlot<MemoryStore>) -> Self {
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        Self::with(config, repository, slot).await
    }

    async fn with(config: SyncConfig, repository: MemoryRepository, slot: StoreSlot<MemoryStore>) -> Self {
        let mut setup = Setup::new(vec![&STOCK]);
        setup.config = config;
        setup.seed = 1;
        let prepared = Coordinator::prepare(repository.clone(), slot.clone(), setup).await;
        let (sync, coordinator) = prepared.expect("the repository is prepared");
        Self {
            repository,
            slot,
            sync,
            _task: tokio::spawn(coordinator.run()),
        }
    }

    async fn settled(&self) {
        self.sync.settled(PATIENCE).await.expect("it settles");
    }

    async fn is_in(&self, phase: Phase) {
        let mut status = self.sync.status();
        let reached = status.wait_for(|status| status.phase == phase);
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            reached.is_ok_and(|reached| reached.is_ok()),
            "never {phase:?}: {:#?}",
            self.sync.status().borrow()
        );
    }

    async fn has(&self, name: &str, quantity: Option<i64>) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.quantity(name) != quantity {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{name} has {:?} and not {quantity:?}: {:#?}",
                self.quantity(name),
                self.sync.status().borrow()
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn quantity(&self, name: &str) -> Option<i64> {
        let row = self.repository.row(&STOCK, &id(name))?;
        match &row[2] {
            ColumnValue::Integer(quantity) => Some(*quantity),
            other => panic!("{other:?} is no quantity"),
        }
    }

    fn put(&self, name: &str, quantity: i64) {
        let app = self.repository.app();
        app.upsert(&STOCK, &id(name), &stock(quantity))
            .expect("the app writes");
    }

    fn set(&self, name: &str, quantity: i64) {
        let app = self.repository.app();
        app.update(&STOCK, &id(name), &[("quantity", ColumnValue::Integer(quantity))])
            .expect("the app writes");
    }
}

fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a valid id")
}

fn stock(quantity: i64) -> Image {
    Image::new(vec![
        ColumnValue::Text("kigali-1".into()),
        ColumnValue::Text("tea".into()),
        ColumnValue::Integer(quantity),
        ColumnValue::Null,
        ColumnValue::Null,
    ])
}

fn hub(flavor: Flavor) -> MemoryHub {
    let hub = MemoryHub::new(MemoryConfig::new(flavor));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    tokio::spawn(async move { network.run().await });
    hub
}

#[tokio::test]
async fn a_store_may_come_later() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let device = Device::start(MemoryRepository::new(1), StoreSlot::empty()).await;
        device.is_in(Phase::AwaitingStore).await;
        device.put("a", 1);
        let mut status = device.sync.status();
        status
            .wait_for(|status| status.pending() == 1)
            .await
            .expect("what is captured is counted");
        let refused = device.sync.settled(Duration::from_millis(20)).await;
        let Err(SettleError::Timeout { last_error, .. }) = refused else {
            panic!("it settled without a store");
        };
        assert_eq!(last_error, "no store is attached");

        let store = hub.store("late");
        device.slot.set_store(Some(store.clone()));
        device.settled().await;
        assert_eq!(store.documents(&STOCK).len(), 1);
        device.is_in(Phase::Live).await;
        device.sync.shutdown().await.expect("a clean shutdown");
    }
}

#[tokio::test]
async fn a_coordinator_without_a_store_can_be_shut_down_and_answers_questions() {
    let device = Device::start(MemoryRepository::new(1), StoreSlot::empty()).await;
    device.is_in(Phase::AwaitingStore).await;
    assert_eq!(device.sync.quarantine().await.expect("it answers").len(), 0);
    device.sync.shutdown().await.expect("a clean shutdown");
}

#[tokio::test]
async fn a_store_that_goes_away_and_comes_back_misses_nothing() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let left = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("left"))).await;
        let right = Device::start(MemoryRepository::new(2), StoreSlot::of(hub.store("right"))).await;
        left.put("a", 1);
        left.put("b", 1);
        right.has("b", Some(1)).await;
        right.settled().await;

        for round in 2..6 {
            let store = right.slot.store().expect("it is there");
            right.slot.set_store(None);
            right.is_in(Phase::AwaitingStore).await;
            left.set("a", round);
            left.settled().await;
            right.set("b", round);
            right.slot.set_store(Some(store.as_ref().clone()));
            right.has("a", Some(round)).await;
            left.has("b", Some(round)).await;
        }
    }
}

#[tokio::test]
async fn taking_the_store_away_at_any_moment_counts_every_increment_once() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let left = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("left"))).await;
        let right = Device::start(MemoryRepository::new(2), StoreSlot::of(hub.store("right"))).await;
        left.put("a", 0);
        right.has("a", Some(0)).await;
        let store = left.slot.store().expect("it is there");
        for sold in 1..=30 {
            left.set("a", left.quantity("a").expect("it is there") + 1);
            // Some way into the write, another one each time.
            for _ in 0..sold {
                tokio::task::yield_now().await;
            }
            if sold % 3 == 0 {
                left.slot.set_store(None);
            }
            left.slot.set_store(Some(store.as_ref().clone()));
        }
        left.settled().await;
        right.has("a", Some(30)).await;
    }
}

#[tokio::test]
async fn another_store_is_never_taken_for_the_former_one() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let device = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("first"))).await;
        device.put("a", 1);
        device.settled().await;
        hub.network().isolate("first");
        let second = hub.store("second");
        hub.network().isolate("second");
        // Without a moment in which the slot is empty.
        device.slot.set_store(Some(second.clone()));
        device.is_in(Phase::AwaitingPeer).await;
        assert_eq!(
            device.quantity("a"),
            Some(1),
            "absence in another store is no delete"
        );
        device.sync.accept_store().await;
        device.settled().await;
        assert_eq!(second.documents(&STOCK).len(), 1);
    }
}

#[tokio::test]
async fn a_store_that_comes_back_without_its_newest_writes_gets_them_again() {
    let hub = hub(Flavor::Ditto);
    let device = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("till"))).await;
    hub.network().isolate("till");
    device.settled().await;
    for name in ["a", "b", "c"] {
        device.put(name, 1);
        device.settled().await;
    }
    device.slot.set_store(None);
    device.is_in(Phase::AwaitingStore).await;
    assert_eq!(hub.lose_newest_writes("till", 2), 2);
    let store = hub.store("till");
    device.slot.set_store(Some(store.clone()));
    device.is_in(Phase::AwaitingPeer).await;
    device.sync.accept_store().await;
    device.settled().await;
    assert_eq!(store.documents(&STOCK).len(), 3);
    assert_eq!(device.repository.rows(&STOCK).len(), 3);
    assert!(device.repository.conflicts().is_empty());
}

#[tokio::test]
async fn a_store_that_is_closed_in_its_slot_counts_as_taken_away() {
    let hub = hub(Flavor::Mesh);
    let device = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("till"))).await;
    device.settled().await;
    // Opened anew elsewhere: the observations of before say that the store is closed.
    let reopened = hub.store("till");
    device.is_in(Phase::AwaitingStore).await;
    assert!(device.slot.store().is_none());
    device.put("a", 1);
    device.slot.set_store(Some(reopened.clone()));
    device.settled().await;
    assert_eq!(reopened.documents(&STOCK).len(), 1);
}

#[tokio::test]
async fn after_a_change_every_call_fails_until_it_was_acknowledged() {
    let hub = hub(Flavor::Mesh);
    let (app, slot) = {
        let slot = StoreSlot::empty();
        (slot.clone(), slot)
    };
    let replica = ReplicaId::from_bytes([1; 16]);
    let detached = |outcome: Result<_, StoreError>| matches!(outcome, Err(StoreError::Detached));
    assert!(detached(slot.identity(replica).await.map(drop)));
    app.set_store(Some(hub.store("one")));
    assert!(
        detached(slot.identity(replica).await.map(drop)),
        "not acknowledged yet"
    );
    slot.attached().await;
    slot.identity(replica).await.expect("it is there");
    let mut observation = slot
        .observe(&STOCK, &ditto_sync_core::query::Query::default(), None)
        .await
        .expect("it observes");
    app.set_store(Some(hub.store("two")));
    assert!(
        detached(observation.next().await.map(drop)),
        "it is of the former store"
    );
    assert!(detached(slot.fetch(&STOCK, &[id("a")]).await.map(drop)));
    assert_eq!(StoreError::Detached.kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn a_paused_coordinator_releases_the_database_and_goes_on_after() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let left = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("left"))).await;
        let right = Device::start(MemoryRepository::new(2), StoreSlot::of(hub.store("right"))).await;
        left.put("a", 1);
        left.put("b", 1);
        right.has("b", Some(1)).await;

        right.sync.pause().await.expect("it pauses");
        right.sync.pause().await.expect("twice is once");
        assert_eq!(right.sync.status().borrow().phase, Phase::Paused);
        assert!(matches!(right.sync.quarantine().await, Err(RecordError::Paused)));
        left.set("a", 2);
        left.settled().await;
        right.set("b", 2);
        let refused = right.sync.settled(Duration::from_millis(20)).await;
        assert!(
            matches!(&refused, Err(SettleError::Timeout { last_error, .. }) if last_error == "the coordinator is paused"),
            "{refused:?}"
        );
        assert_eq!(right.quantity("a"), Some(1), "nothing is applied meanwhile");

        // Another process has the database for a while.
        let other = right.repository.connect();
        other.prepare(&[&STOCK]).await.expect("the lock is free");
        let refused = right.sync.resume().await;
        assert!(
            matches!(
                refused,
                Err(PauseError::Repository(RepositoryError::InUse { .. }))
            ),
            "{refused:?}"
        );
        assert_eq!(right.sync.status().borrow().phase, Phase::Paused);
        other.close().await;

        right.sync.resume().await.expect("it goes on");
        right.sync.resume().await.expect("it runs already");
        right.has("a", Some(2)).await;
        left.has("b", Some(2)).await;
        right.settled().await;
        right.sync.shutdown().await.expect("a clean shutdown");
    }
}

#[tokio::test]
async fn pausing_at_any_moment_counts_every_increment_once() {
    for flavor in FLAVORS {
        let hub = hub(flavor);
        let left = Device::start(MemoryRepository::new(1), StoreSlot::of(hub.store("left"))).await;
        let right = Device::start(MemoryRepository::new(2), StoreSlot::of(hub.store("right"))).await;
        left.put("a", 0);
        right.has("a", Some(0)).await;
        for sold in 1..=20 {
            left.set("a", left.quantity("a").expect("it is there") + 1);
            for _ in 0..sold {
                tokio::task::yield_now().await;
            }
            left.sync.pause().await.expect("it pauses");
            left.set("a", left.quantity("a").expect("it is there") + 1);
            left.sync.resume().await.expect("it goes on");
        }
        left.settled().await;
        right.has("a", Some(40)).await;
    }
}

#[tokio::test]
async fn a_coordinator_that_starts_paused_captures_and_holds_no_lock() {
    let hub = hub(Flavor::Mesh);
    let store = hub.store("till");
    let config = SyncConfig::adaptive().start_paused(true);
    let device = Device::with(config, MemoryRepository::new(1), StoreSlot::of(store.clone())).await;
    assert_eq!(device.sync.status().borrow().phase, Phase::Paused);
    device.put("a", 1);
    device.set("a", 2);
    assert_eq!(device.repository.outbox(&STOCK).len(), 2, "it is captured");
    let other = device.repository.connect();
    other.prepare(&[&STOCK]).await.expect("the lock is free");
    other.close().await;
    assert_eq!(store.operations_applied(), 0);
    // The startup delay is over: nobody waits for it now.
    device.sync.resume().await.expect("it starts");
    device.settled().await;
    assert_eq!(store.documents(&STOCK).len(), 1);
}

#[tokio::test]
async fn a_paused_coordinator_can_be_shut_down_and_one_that_waits_can_be_paused() {
    let hub = hub(Flavor::Mesh);
    let store = hub.store("till");
    let device = Device::start(MemoryRepository::new(1), StoreSlot::empty()).await;
    device.is_in(Phase::AwaitingStore).await;
    device.sync.pause().await.expect("it pauses");
    device.slot.set_store(Some(store.clone()));
    device.sync.resume().await.expect("it goes on");
    device.settled().await;
    // And one that is waiting to try again.
    store.set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
    device.put("a", 1);
    device.is_in(Phase::Retrying).await;
    device.sync.pause().await.expect("it pauses");
    store.clear_faults();
    device.sync.resume().await.expect("it goes on");
    device.settled().await;
    device.sync.pause().await.expect("it pauses");
    device.sync.shutdown().await.expect("a clean shutdown");
}
