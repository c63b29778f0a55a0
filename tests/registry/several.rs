//! Several databases and several devices in one process.

use std::time::Duration;

use ditto_sync::{SyncConfig, SyncRegistry, prelude::*};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub};

use crate::devices::{PATIENCE, prepare, rows, run};

#[derive(DittoAdapter)]
#[ditto(collection = "several_stocks", scope(branch))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "several_notes")]
struct Note {
    #[ditto(id)]
    id: String,
}

ditto_sync::models!(MODELS: Stock, Note);

struct Running {
    repository: SqliteRepository,
    sync: SyncHandle,
}

/// A device keeps its stocks in one database and its notes in another; each database has a coordinator and a store of its own.
async fn start(hub: &MemoryHub, directory: &std::path::Path, (name, collection): (&str, &str)) -> Running {
    let file = directory.join(format!("{name}-{collection}.db"));
    let schema = match collection {
        "several_stocks" => {
            "CREATE TABLE several_stocks (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL)"
        }
        _ => "CREATE TABLE several_notes (id TEXT PRIMARY KEY NOT NULL)",
    };
    prepare(&file, &[schema]).await;
    let repository = SqliteRepository::open(&file).await.expect("the database opens");
    let mut registry = SyncRegistry::new()
        .with_all(MODELS)
        .only([collection])
        .expect_collections([collection])
        .config(SyncConfig::adaptive().startup_delay(Duration::ZERO));
    if collection == "several_stocks" {
        registry = registry.context("branch", "b1");
    }
    let store = hub.store(&format!("{name}-{collection}"));
    let sync = registry
        .start(repository.clone(), store)
        .await
        .expect("the coordinator starts");
    Running { repository, sync }
}

async fn holds(device: &Running, select: &str, expected: &[&str]) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = rows(device.repository.pool(), select).await;
        if found == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{select}: {found:?}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

#[tokio::test]
async fn two_devices_with_two_databases_each_share_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let running = network.clone();
    let wire = tokio::spawn(async move { running.run().await });
    let mut devices = Vec::new();
    for name in ["left", "right"] {
        for collection in ["several_stocks", "several_notes"] {
            devices.push(start(&hub, directory.path(), (name, collection)).await);
        }
    }
    let [left_stocks, left_notes, right_stocks, right_notes] = &devices[..] else {
        unreachable!("two devices with two databases")
    };
    run(
        left_stocks.repository.pool(),
        "INSERT INTO several_stocks VALUES ('s', 'b1')",
    )
    .await;
    run(
        right_notes.repository.pool(),
        "INSERT INTO several_notes VALUES ('n')",
    )
    .await;
    holds(right_stocks, "SELECT quote(id) FROM several_stocks", &["'s'"]).await;
    holds(left_notes, "SELECT quote(id) FROM several_notes", &["'n'"]).await;
    for device in devices {
        device.sync.shutdown().await.unwrap();
        device.repository.pool().close().await;
    }
    network.shutdown();
    wire.await.unwrap();
}
