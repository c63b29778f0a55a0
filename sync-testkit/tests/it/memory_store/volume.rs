//! Many documents and many changes: nothing is lost when the log compacts itself or a report is cut into batches.

use std::collections::BTreeSet;

use ditto_sync_core::{
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{DocumentStore, Observation},
};
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore, models::STOCK};
use futures_util::FutureExt;

use super::{increment, stock, stock_id, write_stock};

const DOCUMENTS: usize = 10_000;

async fn insert_many(store: &MemoryStore) {
    let insert = |at: usize| {
        let name = format!("stock-{at:05}");
        Operation {
            model: &STOCK,
            id: stock_id(&name),
            expect: Expect::Absent,
            action: Action::Insert(stock(&name, 1)),
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        }
    };
    let batch = BatchId {
        replica: ReplicaId::from_bytes([7; 16]),
        sequence: 1,
    };
    let intent = Intent {
        batch,
        operations: (0..DOCUMENTS).map(insert).collect(),
    };
    store.write(&intent).await.unwrap();
}

#[tokio::test]
async fn a_report_of_many_changes_comes_in_bounded_batches_and_is_complete() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let store = MemoryHub::new(MemoryConfig::new(flavor)).store("till-1");
        let mut observation = store.observe(&STOCK, &Query::all(), None).await.unwrap();
        insert_many(&store).await;
        let mut seen = BTreeSet::new();
        let mut batches = 0;
        while let Some(batch) = observation.next().now_or_never() {
            seen.extend(batch.unwrap().changes.into_iter().map(|change| change.id));
            batches += 1;
        }
        assert_eq!(seen.len(), DOCUMENTS);
        assert!(batches > 1, "one batch is a bounded piece of work");
    }
}

#[tokio::test]
async fn an_old_cursor_still_reports_everything_after_thousands_of_rewrites() {
    let store = MemoryHub::new(MemoryConfig::new(Flavor::Mesh)).store("till-1");
    let start = store.scan(&STOCK, &Query::all()).await.unwrap().cursor.unwrap();
    write_stock(&store, "quiet", Action::Insert(stock("quiet", 1)))
        .await
        .unwrap();
    write_stock(&store, "busy", Action::Insert(stock("busy", 0)))
        .await
        .unwrap();
    for _ in 0..DOCUMENTS {
        write_stock(&store, "busy", increment(1)).await.unwrap();
    }
    let mut resumed = store.observe(&STOCK, &Query::all(), Some(&start)).await.unwrap();
    let batch = resumed.next().await.unwrap();
    let ids: Vec<_> = batch.changes.into_iter().map(|change| change.id).collect();
    assert_eq!(
        ids,
        [stock_id("quiet"), stock_id("busy")],
        "each document once, however often it changed"
    );
}

#[tokio::test]
async fn a_peer_that_joins_late_gets_everything() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let first = hub.store("first");
        insert_many(&first).await;
        let late = hub.store("late");
        hub.network().drain();
        assert_eq!(late.documents(&STOCK), first.documents(&STOCK));
        assert_eq!(hub.network().drain(), 0, "and echoes nothing");
    }
}
