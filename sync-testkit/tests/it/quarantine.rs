//! Single records that go wrong, seen through the coordinator: bisecting, quarantine, receipts, explanations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use ditto_sync_core::{
    clock::{Clock, Moment, Sleep, SystemClock},
    column::{ColumnValue, Image},
    coordinator::{AwaitStoredError, Edit, RecordError},
    explain::{HistoryEvent, Receipt},
    intent::Intent,
    quarantine::QuarantineRecord,
    repository::Way,
    status::{Phase, SyncEvent},
};
use ditto_sync_testkit::{
    Fault, Flavor, MemoryConfig, MemoryHub, StoreCall, memory_repository::MemoryRepository, models::STOCK,
};

use crate::device::{Device, FLAVORS, PATIENCE, id, until};

impl Device {
    /// A device whose store has no peers.
    async fn alone(flavor: Flavor) -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let till = Self::start(MemoryRepository::new(1), hub.store("till")).await;
        till.settled().await;
        till
    }

    fn put_named(&self, name: &str) {
        self.put(&id(name), &stock(name));
    }

    /// Writes that carry one of these rows fail in a way that says nothing.
    fn poison(&self, names: &'static [&'static str]) {
        self.store.set_fault_hook(move |call| {
            let poisoned = |intent: &Intent| {
                let of = |name: &&str| intent.operations.iter().any(|operation| operation.id == id(name));
                names.iter().any(of)
            };
            matches!(call, StoreCall::Write(intent) if poisoned(intent)).then_some(Fault::Unavailable)
        });
    }

    fn stored(&self) -> usize {
        self.store.documents(&STOCK).len()
    }

    async fn quarantine(&self) -> Vec<QuarantineRecord> {
        self.sync.quarantine().await.expect("it is listed")
    }

    async fn until_stored(&self, count: usize) {
        until(
            || self.stored() == count,
            || format!("{} documents; {:#?}", self.stored(), self.sync.status().borrow()),
        )
        .await;
    }
}

/// An hour in less than four seconds.
struct FastClock(SystemClock);

const SPEED: u32 = 1000;

impl Clock for FastClock {
    fn now(&self) -> Moment {
        Moment(self.0.now().0 * SPEED)
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration / SPEED)
    }
}

fn stock(product: &str) -> Image {
    Image::new(vec![
        ColumnValue::Text("kigali-1".into()),
        ColumnValue::Text(product.into()),
        ColumnValue::Integer(1),
        ColumnValue::Null,
        ColumnValue::Null,
    ])
}

#[tokio::test]
async fn a_record_that_fails_for_ever_without_a_reason_is_quarantined_and_holds_nobody_up() {
    for flavor in FLAVORS {
        let till = Device::alone(flavor).await;
        till.poison(&["poison"]);
        for number in 0..20 {
            till.put_named(&format!("row-{number}"));
        }
        till.put_named("poison");
        till.settled().await;
        assert_eq!(till.stored(), 20);
        let records = till.quarantine().await;
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(
            (&records[0].id, records[0].way),
            (&Some(id("poison")), Way::Outbound)
        );
        assert!(
            records[0].reason.contains("could not write"),
            "{}",
            records[0].reason
        );
        till.put_named("later");
        till.until_stored(21).await;

        till.store.clear_faults();
        till.sync
            .retry("stocks", &id("poison"))
            .await
            .expect("it is tried again");
        till.until_stored(22).await;
        till.settled().await;
        assert!(till.quarantine().await.is_empty());
    }
}

#[tokio::test]
async fn several_such_records_are_all_found() {
    let till = Device::alone(Flavor::Mesh).await;
    till.poison(&["poison-1", "poison-2", "poison-3"]);
    for number in 0..30 {
        till.put_named(&format!("row-{number}"));
        if number % 10 == 5 {
            till.put_named(&format!("poison-{}", number / 10 + 1));
        }
    }
    till.settled().await;
    assert_eq!((till.stored(), till.quarantine().await.len()), (30, 3));
}

#[tokio::test]
async fn a_record_in_quarantine_for_an_unknown_error_is_tried_again_by_itself() {
    let till = Device::alone(Flavor::Ditto).await;
    till.poison(&["poison"]);
    till.put_named("poison");
    till.put_named("good");
    till.settled().await;
    assert_eq!(till.quarantine().await.len(), 1);
    till.store.clear_faults();
    till.until_stored(2).await;
    till.settled().await;
    assert!(till.quarantine().await.is_empty());
}

#[tokio::test]
async fn a_record_in_quarantine_that_was_changed_is_sent_soon() {
    let till = Device::alone(Flavor::Ditto).await;
    till.store
        .reject_id(&STOCK, id("poison"), "field `note`: too big");
    till.put_named("poison");
    till.put_named("good");
    till.settled().await;
    till.store.accept_id(&STOCK, id("poison"));
    let edit = Edit::Row(vec![("note".into(), ColumnValue::Text("short".into()))]);
    till.sync
        .edit("stocks", &id("poison"), edit)
        .await
        .expect("it is edited");
    till.until_stored(2).await;
    till.settled().await;
    assert!(till.quarantine().await.is_empty());
}

#[tokio::test]
async fn while_the_store_takes_no_writes_nobody_is_quarantined() {
    for flavor in FLAVORS {
        let till = Device::alone(flavor).await;
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        till.store.set_fault_hook(move |call| {
            let write = matches!(call, StoreCall::Write(_));
            write.then(|| {
                counted.fetch_add(1, Ordering::Relaxed);
                Fault::Unavailable
            })
        });
        let mut events = till.sync.events();
        for number in 0..10 {
            till.put_named(&format!("row-{number}"));
        }
        // Far enough that every row has been tried alone.
        until(|| writes.load(Ordering::Relaxed) > 40, String::new).await;
        assert!(till.quarantine().await.is_empty());
        assert_eq!(till.sync.status().borrow().phase, Phase::Retrying);
        till.store.clear_faults();
        till.settled().await;
        assert_eq!(till.stored(), 10);
        till.sync.shutdown().await.expect("a clean shutdown");
        while let Some(event) = events.next().await {
            assert!(!matches!(event, SyncEvent::Quarantined { .. }), "{event:?}");
        }
    }
}

/// Nothing else is ever written, so nothing else can show that the store takes writes.
#[tokio::test]
async fn a_record_that_fails_for_ever_is_quarantined_though_it_is_the_only_one() {
    for flavor in FLAVORS {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let clock = Arc::new(FastClock(SystemClock::new()));
        let till = Device::start_by(clock, MemoryRepository::new(1), hub.store("till")).await;
        till.poison(&["poison"]);
        till.put_named("poison");
        let status = till.sync.status();
        until(
            || status.borrow().collections[STOCK.collection()].quarantined == 1,
            || format!("{:#?}", status.borrow()),
        )
        .await;
        let settled = till.sync.settled(PATIENCE * SPEED).await;
        settled.expect("nothing else is left to send");
        let listed = till.quarantine().await;
        assert_eq!(listed[0].id, Some(id("poison")));
        till.store.clear_faults();
        till.until_stored(1).await;
    }
}

#[tokio::test]
async fn a_suspect_does_not_keep_documents_from_coming_in() {
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
    let network = hub.network();
    network.connect_all(ditto_sync_testkit::LinkConfig::perfect());
    let wire = network.clone();
    tokio::spawn(async move { wire.run().await });
    let left = Device::start(MemoryRepository::new(1), hub.store("left")).await;
    let right = Device::start(MemoryRepository::new(2), hub.store("right")).await;
    left.poison(&["poison"]);
    left.put_named("poison");
    left.sync
        .status()
        .wait_for(|status| status.last_error.is_some())
        .await
        .expect("it runs");
    right.put_named("theirs");
    until(
        || left.repository.row(&STOCK, &id("theirs")).is_some(),
        || format!("{:#?}", left.sync.status().borrow()),
    )
    .await;
}

#[tokio::test]
async fn a_poisoned_intent_is_found_out_again_after_a_crash() {
    let till = Device::alone(Flavor::Ditto).await;
    till.poison(&["poison"]);
    for name in ["a", "poison", "c"] {
        till.put_named(name);
    }
    let till = till.crash_and_start().await;
    till.settled().await;
    assert_eq!((till.stored(), till.quarantine().await.len()), (2, 1));
    let till = till.crash_and_start().await;
    till.settled().await;
    let records = till.quarantine().await;
    assert_eq!(records.len(), 1, "{records:?}");
}

#[tokio::test]
async fn a_discarded_change_is_reported_with_both_values_and_the_row_follows_its_document() {
    let till = Device::alone(Flavor::Ditto).await;
    till.put_named("a");
    till.settled().await;
    till.store
        .reject_id(&STOCK, id("a"), "field `product`: not for sale");
    let app = till.repository.app();
    app.update(&STOCK, &id("a"), &[("product", ColumnValue::Text("tea".into()))])
        .expect("the app writes");
    till.settled().await;
    let mut events = till.sync.events();
    till.sync
        .discard("stocks", &id("a"), Way::Outbound)
        .await
        .expect("it is given up");
    assert_eq!(till.repository.row(&STOCK, &id("a")), Some(stock("a")));
    let conflict = loop {
        if let SyncEvent::Conflict(conflict) = events.next().await.expect("it runs") {
            break conflict;
        }
    };
    assert_eq!(conflict.fields[0].local, Some(ColumnValue::Text("tea".into())));
    assert_eq!(conflict.fields[0].remote, Some(ColumnValue::Text("a".into())));
    let kept = till.sync.conflicts().await.expect("they are listed");
    assert_eq!(kept.last().map(|report| &report.conflict), Some(&conflict));
    till.settled().await;
    assert!(till.quarantine().await.is_empty());
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused_with_a_reason() {
    let till = Device::alone(Flavor::Ditto).await;
    let unknown = till.sync.retry("socks", &id("a")).await;
    assert!(matches!(unknown, Err(RecordError::UnknownCollection { collection }) if collection == "socks"));
    let sound = till.sync.discard("stocks", &id("a"), Way::Inbound).await;
    assert!(matches!(sound, Err(RecordError::NotInQuarantine)));
    let Device {
        sync,
        repository,
        store,
        ..
    } = till;
    let (mut status, listing) = (sync.status(), sync.quarantine().await);
    assert!(listing.is_ok());
    sync.shutdown().await.expect("a clean shutdown");
    status
        .wait_for(|status| status.phase == Phase::Stopped)
        .await
        .expect("it has stopped");
    drop((repository, store));
}

#[tokio::test]
async fn a_receipt_tells_how_far_a_row_has_got() {
    let till = Device::alone(Flavor::Ditto).await;
    let receipt = async |name: &str| till.sync.receipt("stocks", &id(name)).await.expect("it is told");
    assert_eq!(receipt("a").await, Receipt::Unknown);
    till.store
        .set_fault_hook(|call| matches!(call, StoreCall::Write(_)).then_some(Fault::Unavailable));
    till.put_named("a");
    assert_eq!(receipt("a").await, Receipt::Captured);
    let waited = till
        .sync
        .await_stored("stocks", &id("a"), Duration::from_millis(50))
        .await;
    assert!(
        matches!(waited, Err(AwaitStoredError::Timeout { .. })),
        "{waited:?}"
    );
    till.store.clear_faults();
    let stored = till.sync.await_stored("stocks", &id("a"), PATIENCE).await;
    assert!(
        matches!(stored, Ok(Receipt::Stored { batch: Some(_) })),
        "{stored:?}"
    );
    till.store.reject_id(&STOCK, id("b"), "field `note`: too big");
    till.put_named("b");
    let refused = till.sync.await_stored("stocks", &id("b"), PATIENCE).await;
    assert!(
        matches!(&refused, Err(AwaitStoredError::Quarantined { reason }) if reason.contains("note")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_change_taken_back_before_it_was_sent_counts_as_stored() {
    let till = Device::alone(Flavor::Ditto).await;
    till.put_named("a");
    till.settled().await;
    till.store
        .set_fault_hook(|call| matches!(call, StoreCall::Identity).then_some(Fault::Unavailable));
    let set = |product: &str| {
        let columns = [("product", ColumnValue::Text(product.into()))];
        till.repository
            .app()
            .update(&STOCK, &id("a"), &columns)
            .expect("the app writes");
    };
    set("tea");
    set("a");
    till.store.clear_faults();
    let stored = till.sync.await_stored("stocks", &id("a"), PATIENCE).await;
    assert!(matches!(stored, Ok(Receipt::Stored { .. })), "{stored:?}");
}

#[tokio::test]
async fn an_explanation_follows_one_row_and_can_be_printed() {
    let till = Device::alone(Flavor::Mesh).await;
    till.store.reject_id(&STOCK, id("a"), "field `note`: too big");
    till.put_named("a");
    till.settled().await;
    till.store.accept_id(&STOCK, id("a"));
    till.sync
        .retry("stocks", &id("a"))
        .await
        .expect("it is tried again");
    till.until_stored(1).await;
    till.settled().await;
    let mut explained = till
        .sync
        .explain("stocks", &id("a"))
        .await
        .expect("it is explained");
    for _ in 0..100 {
        if explained
            .history
            .iter()
            .any(|(_, event)| *event == HistoryEvent::Echoed)
        {
            break;
        }
        till.settled().await;
        explained = till
            .sync
            .explain("stocks", &id("a"))
            .await
            .expect("it is explained");
    }
    let events: Vec<_> = explained.history.iter().map(|(_, event)| event.clone()).collect();
    let position = |wanted: fn(&HistoryEvent) -> bool| {
        events
            .iter()
            .position(wanted)
            .unwrap_or_else(|| panic!("not in the history: {events:?}"))
    };
    let drafted = position(|event| matches!(event, HistoryEvent::Drafted(_)));
    let quarantined = position(|event| matches!(event, HistoryEvent::Quarantined(Way::Outbound, _)));
    let retried = position(|event| *event == HistoryEvent::Retried);
    let sent = position(|event| matches!(event, HistoryEvent::Sent(_)));
    assert!(
        drafted < quarantined && quarantined < retried && retried < sent,
        "{events:?}"
    );
    let text = explained.to_string();
    for part in [
        "stocks/a",
        "row: exists",
        "Stored",
        "field `note`: too big",
        "retried on request",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}
