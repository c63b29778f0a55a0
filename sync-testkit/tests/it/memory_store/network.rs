//! Peers over the simulated network.

use std::time::Duration;

use ditto_sync_core::{
    intent::Action,
    query::Query,
    store::{DocumentStore, Observation},
};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, models::STOCK};

use super::{increment, stock, stock_id, write_stock};

const DEADLINE: Duration = Duration::from_secs(30);

async fn quantity_becomes(store: &MemoryStore, quantity: i64) {
    let wait = async {
        let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
        loop {
            let document = store.fetch(&STOCK, &[stock_id("s1")]).await.unwrap().remove(0);
            if document.is_some_and(|document| document.get("quantity") == Some(&quantity.into())) {
                return;
            }
            observation.next().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .expect("the peers exchange in time");
}

async fn live_peers_exchange(flavor: Flavor, links: LinkConfig) {
    let hub = MemoryHub::new(MemoryConfig::new(flavor));
    let (one, other) = (hub.store("one"), hub.store("other"));
    let network = hub.network();
    network.connect_all(links);
    let running = tokio::spawn({
        let network = network.clone();
        async move { network.run().await }
    });

    write_stock(&one, "s1", Action::Insert(stock("s1", 10)))
        .await
        .unwrap();
    quantity_becomes(&other, 10).await;
    network.partition("one", "other");
    for _ in 0..20 {
        write_stock(&one, "s1", increment(-1)).await.unwrap();
        write_stock(&other, "s1", increment(3)).await.unwrap();
    }
    network.heal("one", "other");
    quantity_becomes(&one, 50).await;
    quantity_becomes(&other, 50).await;

    network.shutdown();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn live_peers_over_perfect_links_exchange_through_an_offline_period() {
    live_peers_exchange(Flavor::Ditto, LinkConfig::perfect()).await;
    live_peers_exchange(Flavor::Mesh, LinkConfig::perfect()).await;
}

#[tokio::test]
async fn live_peers_over_bad_links_exchange_through_an_offline_period() {
    let links = LinkConfig::perfect()
        .with_delay(Duration::from_millis(1))
        .with_jitter(Duration::from_millis(3))
        .with_drop(200)
        .with_duplicate(200)
        .with_reorder();
    live_peers_exchange(Flavor::Ditto, links).await;
    live_peers_exchange(Flavor::Mesh, links).await;
}
