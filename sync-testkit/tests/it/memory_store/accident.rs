//! Accidents of a whole store: restart, loss, power loss; and what a husk is.

use ditto_sync_core::{
    intent::{Action, ReplicaId},
    query::Query,
    store::{DocumentStore, Observation, StoreError},
};
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, models::STOCK};

use super::{increment, stock, stock_id, write_stock};

const REPLICA: &[u8; 16] = b"0123456789abcdef";

fn hub(flavor: Flavor) -> MemoryHub {
    MemoryHub::new(MemoryConfig::new(flavor))
}

#[tokio::test]
async fn a_restart_keeps_the_documents_and_closes_observations() {
    let hub = hub(Flavor::Mesh);
    let store = hub.store("till-1");
    write_stock(&store, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
    let again = hub.store("till-1");
    assert!(matches!(observation.next().await, Err(StoreError::Closed)));
    assert_eq!(again.documents(&STOCK), store.documents(&STOCK));
    assert_eq!(again.store_id(), store.store_id());
}

#[tokio::test]
async fn a_lost_store_is_another_one_and_gets_back_what_peers_hold() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let hub = hub(flavor);
        let (one, other) = (hub.store("one"), hub.store("other"));
        write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
            .await
            .unwrap();
        write_stock(&one, "s1", increment(5)).await.unwrap();
        hub.network().drain();
        let before = (
            one.store_id(),
            one.identity(ReplicaId::from_bytes(*REPLICA)).await.unwrap(),
        );
        hub.lose_store("one");
        let after = one.identity(ReplicaId::from_bytes(*REPLICA)).await.unwrap();
        assert_ne!(after.store, before.0);
        assert_eq!((before.1.last_applied, after.last_applied), (Some(2), None));
        assert!(one.documents(&STOCK).is_empty());
        if let Some(frontier) = &before.1.frontier {
            assert_eq!(one.covers(frontier).await.unwrap(), Some(false));
        }

        hub.network().drain();
        assert_eq!(one.documents(&STOCK), other.documents(&STOCK));
        if let Some(frontier) = &before.1.frontier {
            assert_eq!(one.covers(frontier).await.unwrap(), Some(true));
        }
        write_stock(&one, "s1", increment(1)).await.unwrap();
        hub.network().drain();
        let quantity = other.documents(&STOCK)[0].1.get("quantity").cloned();
        assert_eq!(
            quantity,
            Some(16.into()),
            "the new life counts beside the old one"
        );
    }
}

#[tokio::test]
async fn a_power_loss_takes_back_unsent_writes_only() {
    let hub = hub(Flavor::Ditto);
    let (one, other) = (hub.store("one"), hub.store("other"));
    write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    hub.network().drain();
    assert_eq!(hub.lose_newest_writes("one", 1), 0, "it was sent");
    hub.network().partition("one", "other");
    for _ in 0..2 {
        write_stock(&one, "s1", increment(1)).await.unwrap();
    }
    assert_eq!(hub.lose_newest_writes("one", 1), 1);
    let identity = one.identity(ReplicaId::from_bytes(*REPLICA)).await.unwrap();
    assert_eq!(identity.last_applied, Some(2), "the third batch is gone");
    hub.network().heal_all();
    hub.network().drain();
    for store in [&one, &other] {
        assert_eq!(store.documents(&STOCK)[0].1.get("quantity"), Some(&11.into()));
    }
}

#[tokio::test]
async fn the_ditto_flavor_leaves_a_husk_where_an_edit_meets_an_older_delete() {
    let hub = hub(Flavor::Ditto);
    let (one, other) = (hub.store("one"), hub.store("other"));
    write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    hub.network().drain();
    write_stock(&one, "s1", Action::Delete).await.unwrap();
    let set = vec![("note".into(), "later".into())];
    write_stock(
        &other,
        "s1",
        Action::Patch {
            set,
            increments: Vec::new(),
        },
    )
    .await
    .unwrap();
    hub.network().drain();
    for store in [&one, &other] {
        let husk = store.raw_document(&STOCK, &stock_id("s1")).unwrap();
        assert_eq!((husk.len(), husk.get("note")), (1, Some(&"later".into())));
        assert!(store.documents(&STOCK).is_empty(), "readers see nothing");
    }
}

#[tokio::test]
async fn the_clock_that_is_ahead_wins_in_the_ditto_flavor() {
    let hub = hub(Flavor::Ditto);
    let (one, other) = (hub.store("one"), hub.store("other"));
    write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    hub.network().drain();
    hub.set_clock_skew("one", 1000);
    let note = |note: &str| Action::Patch {
        set: vec![("note".into(), note.into())],
        increments: Vec::new(),
    };
    write_stock(&one, "s1", note("from the future")).await.unwrap();
    write_stock(&other, "s1", note("later, by a right clock"))
        .await
        .unwrap();
    hub.network().drain();
    for store in [&one, &other] {
        assert_eq!(
            store.documents(&STOCK)[0].1.get("note"),
            Some(&"from the future".into())
        );
    }
}

#[tokio::test]
async fn an_evicted_counter_goes_on_exactly_once_it_is_back() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let hub = hub(flavor);
        let (one, other) = (hub.store("one"), hub.store("other"));
        write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
            .await
            .unwrap();
        for _ in 0..5 {
            write_stock(&one, "s1", increment(1)).await.unwrap();
        }
        hub.network().drain();
        one.evict(&STOCK, &[stock_id("s1")]).await.unwrap();
        assert!(one.documents(&STOCK).is_empty());
        write_stock(&other, "s1", increment(100)).await.unwrap();
        hub.network().drain();
        write_stock(&one, "s1", increment(1)).await.unwrap();
        hub.network().drain();
        assert_eq!(one.documents(&STOCK), other.documents(&STOCK));
        assert_eq!(other.documents(&STOCK)[0].1.get("quantity"), Some(&116.into()));
    }
}
