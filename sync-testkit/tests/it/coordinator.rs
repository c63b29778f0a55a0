//! The coordinator between a memory repository and a memory store, with everything that goes wrong around it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ditto_sync_core::{
    column::{ColumnValue, Image},
    coordinator::SettleError,
    id::DocumentId,
    repository::Repository,
    status::Phase,
};
use ditto_sync_testkit::{
    Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, Network, StoreCall,
    memory_repository::MemoryRepository, models::STOCK,
};

use crate::device::{Device, FLAVORS, id, until};

struct Pair {
    left: Device,
    right: Device,
    network: Network,
}

impl Pair {
    async fn start(flavor: Flavor) -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let wire = network.clone();
        tokio::spawn(async move { wire.run().await });
        let left = Device::start(MemoryRepository::new(1), hub.store("left")).await;
        let right = Device::start(MemoryRepository::new(2), hub.store("right")).await;
        Self { left, right, network }
    }

    async fn in_step(&self) {
        until(
            || self.left.repository.rows(&STOCK) == self.right.repository.rows(&STOCK),
            || {
                let (left, right) = (
                    self.left.repository.rows(&STOCK),
                    self.right.repository.rows(&STOCK),
                );
                format!("{left:#?}\n{right:#?}\n{:#?}", self.right.sync.status().borrow())
            },
        )
        .await;
    }
}

fn stock(product: &str, quantity: i64) -> Image {
    Image::new(vec![
        ColumnValue::Text("kigali-1".into()),
        ColumnValue::Text(product.into()),
        ColumnValue::Integer(quantity),
        ColumnValue::Real(1.5),
        ColumnValue::Null,
    ])
}

fn text(text: &str) -> ColumnValue {
    ColumnValue::Text(text.into())
}

fn product_and_quantity(
    repository: &MemoryRepository,
    id: &DocumentId,
) -> Option<(ColumnValue, ColumnValue)> {
    repository
        .row(&STOCK, id)
        .map(|row| (row[1].clone(), row[2].clone()))
}

#[tokio::test]
async fn changes_travel_both_ways() {
    for flavor in FLAVORS {
        let pair = Pair::start(flavor).await;
        pair.left.put(&id("a"), &stock("tea", 10));
        until(
            || pair.right.repository.row(&STOCK, &id("a")).is_some(),
            String::new,
        )
        .await;
        pair.right.set(&id("a"), "product", text("green tea"));
        pair.right.settled().await;
        pair.in_step().await;
        pair.left
            .repository
            .app()
            .delete(&STOCK, &id("a"))
            .expect("the app writes");
        until(|| pair.right.repository.rows(&STOCK).is_empty(), String::new).await;
    }
}

/// A fetch, and with cursors a transaction that moves one, for each own write would be half of what a burst of writes costs.
#[tokio::test]
async fn the_echo_of_an_own_write_is_known_without_a_fetch() {
    for flavor in FLAVORS {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let till = Device::start(MemoryRepository::new(1), hub.store("till")).await;
        until(|| till.sync.status().borrow().phase == Phase::Live, String::new).await;
        till.settled().await;
        let fetched = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fetched);
        till.store.set_fault_hook(move |call| {
            let is_fetch = matches!(call, StoreCall::Fetch(_));
            count.fetch_add(usize::from(is_fetch), Ordering::SeqCst);
            None
        });
        till.put(&id("a"), &stock("tea", 10));
        till.settled().await;
        till.set(&id("a"), "quantity", ColumnValue::Integer(9));
        till.settled().await;
        let suppressed = || till.sync.status().borrow().collections[STOCK.collection()].suppressed;
        until(|| suppressed() == 2, || format!("{} echoes", suppressed())).await;
        assert_eq!(fetched.load(Ordering::SeqCst), 0, "{flavor:?}");
        assert_eq!(till.repository.row(&STOCK, &id("a")), Some(stock("tea", 9)));
        till.sync.shutdown().await.expect("it stops");
    }
}

/// An engine that had to read everything to observe it need not read it once more for us.
#[tokio::test]
async fn after_a_restart_only_what_has_changed_is_fetched() {
    let Pair { left, right, .. } = Pair::start(Flavor::Ditto).await;
    for name in ["a", "b", "c"] {
        left.put(&id(name), &stock("tea", 10));
    }
    let rows = |device: &Device| device.repository.rows(&STOCK).len();
    until(|| rows(&right) == 3, || format!("{} rows", rows(&right))).await;
    right.settled().await;
    right.sync.shutdown().await.expect("it stops");
    left.set(&id("b"), "quantity", ColumnValue::Integer(9));
    left.settled().await;
    let held = || right.store.documents(&STOCK) == left.store.documents(&STOCK);
    until(held, String::new).await;
    let fetched = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&fetched);
    right.store.set_fault_hook(move |call| {
        if let StoreCall::Fetch(ids) = call {
            log.lock().expect("no panic").extend_from_slice(ids);
        }
        None
    });
    let right = Device::start(right.repository.restart(), right.store).await;
    until(
        || product_and_quantity(&right.repository, &id("b")) == Some((text("tea"), ColumnValue::Integer(9))),
        String::new,
    )
    .await;
    right.settled().await;
    assert_eq!(*fetched.lock().expect("no panic"), [id("b")]);
    let status = right.sync.status().borrow().collections[STOCK.collection()].clone();
    assert_eq!((status.applied, status.skipped_unchanged), (1, 2));
}

/// What an observation saw last is no answer to the question what the document is that the store just refused to write over.
#[tokio::test]
async fn a_refused_intent_and_a_hydration_meet_documents_as_they_are() {
    let Pair { left, right, .. } = Pair::start(Flavor::Ditto).await;
    for name in ["a", "b"] {
        left.put(&id(name), &stock("tea", 10));
    }
    let rows = |device: &Device| device.repository.rows(&STOCK).len();
    until(|| rows(&right) == 2, || format!("{} rows", rows(&right))).await;
    right.settled().await;
    // It began to observe these.
    right.sync.shutdown().await.expect("it stops");
    let right = Device::start(right.repository.restart(), right.store).await;
    right.settled().await;
    right.store.drop_notifications(true);
    for name in ["a", "b"] {
        left.set(&id(name), "product", text("green tea"));
    }
    left.settled().await;
    let held = || right.store.documents(&STOCK) == left.store.documents(&STOCK);
    until(held, String::new).await;
    right.set(&id("a"), "quantity", ColumnValue::Integer(8));
    right.settled().await;
    let row = |name| product_and_quantity(&right.repository, &id(name));
    assert_eq!(row("a"), Some((text("green tea"), ColumnValue::Integer(8))));
    let report = right.sync.hydrate_collection(STOCK.collection()).await;
    assert_eq!(report.expect("it compares").compared, 2);
    assert_eq!(row("b"), Some((text("green tea"), ColumnValue::Integer(10))));
}

#[tokio::test]
async fn offline_changes_of_one_row_merge_when_the_link_is_back() {
    for flavor in FLAVORS {
        let pair = Pair::start(flavor).await;
        pair.left.put(&id("a"), &stock("tea", 10));
        pair.in_step().await;
        until(
            || pair.right.repository.row(&STOCK, &id("a")).is_some(),
            String::new,
        )
        .await;
        pair.network.partition("left", "right");
        pair.left.set(&id("a"), "product", text("coffee"));
        pair.left.set(&id("a"), "quantity", ColumnValue::Integer(8));
        pair.right.set(&id("a"), "note", text("shelf 3"));
        pair.right.set(&id("a"), "quantity", ColumnValue::Integer(7));
        pair.left.settled().await;
        pair.right.settled().await;
        pair.network.heal("left", "right");
        until(
            || {
                product_and_quantity(&pair.right.repository, &id("a"))
                    == Some((text("coffee"), ColumnValue::Integer(5)))
            },
            String::new,
        )
        .await;
        pair.in_step().await;
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_tried_again_and_the_status_says_so() {
    let pair = Pair::start(Flavor::Ditto).await;
    pair.left.settled().await;
    pair.left
        .store
        .set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
    pair.left.put(&id("a"), &stock("tea", 10));
    let refused = pair.left.sync.settled(Duration::from_millis(200)).await;
    assert!(
        matches!(refused, Err(SettleError::Timeout { pending: 1, .. })),
        "{refused:?}"
    );
    let mut status = pair.left.sync.status();
    let status = status
        .wait_for(|status| status.phase == Phase::Retrying && status.last_error.is_some())
        .await
        .expect("it runs")
        .clone();
    assert!(status.collections["stocks"].pending_since.is_some());
    pair.left.store.clear_faults();
    pair.left.settled().await;
    pair.in_step().await;
    let mut status = pair.left.sync.status();
    status
        .wait_for(|status| status.phase == Phase::Live && status.last_error.is_none())
        .await
        .expect("it is live again");
}

#[tokio::test]
async fn a_write_with_an_unknown_outcome_counts_once() {
    for flavor in FLAVORS {
        let pair = Pair::start(flavor).await;
        pair.left.put(&id("a"), &stock("tea", 10));
        pair.left.settled().await;
        let mut left = pair.left;
        for sold in 1..=5 {
            left.store.fail_next(1, Fault::UnknownOutcome);
            left.set(&id("a"), "quantity", ColumnValue::Integer(10 - sold));
            if sold % 2 == 0 {
                left = left.crash_and_start().await;
            }
            left.settled().await;
        }
        let pair = Pair { left, ..pair };
        pair.in_step().await;
        assert_eq!(
            product_and_quantity(&pair.right.repository, &id("a")),
            Some((text("tea"), ColumnValue::Integer(5)))
        );
    }
}

#[tokio::test]
async fn a_record_the_store_refuses_is_set_aside_and_its_neighbours_go_on() {
    let pair = Pair::start(Flavor::Ditto).await;
    pair.left
        .store
        .reject_id(&STOCK, id("bad"), "field `note`: too big");
    for name in ["a", "bad", "c"] {
        pair.left.put(&id(name), &stock(name, 1));
    }
    until(|| pair.right.repository.rows(&STOCK).len() == 2, String::new).await;
    pair.left.settled().await;
    let quarantine = pair.left.repository.quarantine();
    assert_eq!(quarantine.len(), 1);
    assert!(quarantine[0].reason.contains("note"), "{}", quarantine[0].reason);
    pair.left.store.accept_id(&STOCK, id("bad"));
    pair.left.set(&id("bad"), "note", text("short"));
    until(|| pair.right.repository.rows(&STOCK).len() == 3, String::new).await;
}

#[tokio::test]
async fn an_intent_that_fails_for_good_is_halved_until_the_culprit_is_found() {
    let pair = Pair::start(Flavor::Mesh).await;
    pair.left.settled().await;
    pair.left.store.set_fault_hook(|call| {
        let poisoned = |intent: &ditto_sync_core::intent::Intent| {
            intent
                .operations
                .iter()
                .any(|operation| operation.id == id("poison"))
        };
        matches!(call, StoreCall::Write(intent) if poisoned(intent)).then_some(Fault::Failed)
    });
    pair.network.partition("left", "right");
    for number in 0..20 {
        pair.left.put(&id(&format!("row-{number}")), &stock("x", number));
    }
    pair.left.put(&id("poison"), &stock("x", 0));
    pair.network.heal("left", "right");
    until(
        || pair.right.repository.rows(&STOCK).len() == 20,
        || format!("{:#?}", pair.left.sync.status().borrow()),
    )
    .await;
    pair.left.settled().await;
    assert_eq!(pair.left.repository.quarantine().len(), 1);
}

#[tokio::test]
async fn a_crash_between_any_two_steps_loses_and_doubles_nothing() {
    for flavor in FLAVORS {
        let pair = Pair::start(flavor).await;
        pair.left.put(&id("a"), &stock("tea", 0));
        let (mut left, mut sum) = (pair.left, 0);
        for step in 1..=40 {
            sum += step;
            left.set(&id("a"), "quantity", ColumnValue::Integer(sum));
            // Let it get some way, a different one each time.
            for _ in 0..step {
                tokio::task::yield_now().await;
            }
            left = left.crash_and_start().await;
        }
        left.settled().await;
        let pair = Pair { left, ..pair };
        until(
            || {
                product_and_quantity(&pair.right.repository, &id("a"))
                    == Some((text("tea"), ColumnValue::Integer(sum)))
            },
            String::new,
        )
        .await;
    }
}

#[tokio::test]
async fn missed_and_spurious_notifications_do_no_harm() {
    for flavor in FLAVORS {
        let pair = Pair::start(flavor).await;
        pair.right.settled().await;
        pair.right.store.drop_notifications(true);
        pair.left.put(&id("a"), &stock("tea", 1));
        pair.left.settled().await;
        until(|| !pair.right.store.documents(&STOCK).is_empty(), String::new).await;
        pair.right.store.drop_notifications(false);
        let right = pair.right.crash_and_start().await;
        let pair = Pair { right, ..pair };
        pair.in_step().await;
        until(
            || pair.right.repository.row(&STOCK, &id("a")).is_some(),
            String::new,
        )
        .await;
        pair.right.settled().await;
        let before = pair.right.repository.writes();
        pair.right.store.spurious_notification();
        pair.right.settled().await;
        let skipped =
            |status: &ditto_sync_core::status::SyncStatus| status.collections["stocks"].skipped_unchanged > 0;
        pair.right.sync.status().wait_for(skipped).await.expect("it runs");
        assert_eq!(pair.right.repository.writes(), before, "nothing had changed");
    }
}

#[tokio::test]
async fn a_lost_store_is_not_taken_for_mass_deletes_and_waits_for_its_peers() {
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let wire = network.clone();
    tokio::spawn(async move { wire.run().await });
    let left = Device::start(MemoryRepository::new(1), hub.store("left")).await;
    let right = Device::start(MemoryRepository::new(2), hub.store("right")).await;
    left.put(&id("a"), &stock("tea", 10));
    until(|| right.repository.row(&STOCK, &id("a")).is_some(), String::new).await;
    right.settled().await;

    network.isolate("right");
    let Device { repository, sync, .. } = right;
    sync.shutdown().await.expect("a clean shutdown");
    hub.lose_store("right");
    let right = Device::start(repository.restart(), hub.store("right")).await;
    right
        .sync
        .status()
        .wait_for(|status| status.phase == Phase::AwaitingPeer)
        .await
        .expect("it waits");
    right.set(&id("a"), "quantity", ColumnValue::Integer(9));
    let refused = right.sync.settled(Duration::from_millis(100)).await;
    assert!(
        matches!(refused, Err(SettleError::Timeout { .. })),
        "nothing is sent before the store has caught up"
    );
    assert!(
        right.repository.row(&STOCK, &id("a")).is_some(),
        "absence says nothing now"
    );

    network.heal_all();
    right.settled().await;
    until(
        || product_and_quantity(&left.repository, &id("a")) == Some((text("tea"), ColumnValue::Integer(9))),
        || {
            use ditto_sync_core::store::DocumentStore as _;
            use futures_util::FutureExt as _;
            let frontier = left
                .store
                .identity(ditto_sync_core::intent::ReplicaId::from_bytes([0; 16]))
                .now_or_never()
                .expect("ready");
            let frontier_r = right
                .store
                .identity(ditto_sync_core::intent::ReplicaId::from_bytes([0; 16]))
                .now_or_never()
                .expect("ready");
            format!(
                "{:#?} {:#?} {:?} {:?} {:?}",
                left.repository.rows(&STOCK),
                right.sync.status().borrow(),
                frontier,
                frontier_r,
                right.store.documents(&STOCK)
            )
        },
    )
    .await;
}

#[tokio::test]
async fn shutdown_is_clean_and_the_status_ends_with_it() {
    let pair = Pair::start(Flavor::Mesh).await;
    pair.left.put(&id("a"), &stock("tea", 10));
    pair.left.settled().await;
    let (status, mut events) = (pair.left.sync.status(), pair.left.sync.events());
    pair.left.sync.shutdown().await.expect("a clean shutdown");
    pair.left.task.await.expect("the task has ended");
    assert_eq!(status.borrow().phase, Phase::Stopped);
    while events.next().await.is_some() {}
    assert_eq!(
        pair.left
            .repository
            .pending()
            .await
            .map_err(|error| error.to_string())
            .ok(),
        None,
        "the repository is closed"
    );
}
