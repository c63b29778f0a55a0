//! The start of a device whose rows are all synced, with a store that cannot tell what has changed since: everything is compared.

use std::time::{Duration, Instant};

use ditto_sync::{DittoAdapter as _, DocumentId, DocumentStore as _, Phase, Query};
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore};
use rusqlite::{Connection, types::ValueRef};

use crate::{
    baseline,
    counters::{self, COLUMNS, Counter},
    device::{Device, PATIENCE},
    report::{Report, Series},
};

const ROWS: usize = 100_000;
/// Documents fetched in one go: as many as the coordinator does at most.
const FETCHED: usize = 4000;

pub(crate) async fn measure(report: &mut Report, rounds: usize) {
    let mut series = Series::new(&[
        "reading both sides once",
        "ditto-sync, from its start until it is live",
    ]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ours.db");
    let store = MemoryHub::new(MemoryConfig::new(Flavor::Ditto)).store("bench");
    let mut device = Device::start(&path, store.clone()).await;
    baseline::upsert(&mut device.app, &Counter::all(ROWS, 0));
    device.quiet().await;
    baseline::checkpoint(&device.app);
    device.close().await;
    for _ in 0..rounds {
        let connection = baseline::open(&path);
        series.add(0, read_both(&connection, &store).await);
        let before = store.operations_applied();
        let started = Instant::now();
        let device = Device::start_at_once(&path, store.clone()).await;
        device.sync.reconciled(PATIENCE).await.expect("is compared");
        series.add(1, started.elapsed());
        assert_eq!(device.sync.status().borrow().phase, Phase::Live);
        assert_eq!(
            store.operations_applied(),
            before,
            "nothing is written to the store"
        );
        counters::check(&device.app, ROWS, 0);
        device.nothing_is_wrong();
        device.close().await;
    }
    report.series(&format!("start with {ROWS} synced rows"), ROWS, &series);
    report.bounded(format!("startup_reconcile/{ROWS}"), series.ratio(1, 0), 2.0);
}

/// What a comparison cannot do without: every row, and every document.
async fn read_both(connection: &Connection, store: &MemoryStore) -> Duration {
    let started = Instant::now();
    let mut select = connection.prepare("SELECT * FROM counters").expect("prepares");
    let mut rows = select.query([]).expect("runs");
    let (mut read, mut bytes) = (0, 0);
    while let Some(row) = rows.next().expect("steps") {
        for column in 0..COLUMNS {
            bytes += match row.get_ref(column).expect("a column") {
                ValueRef::Text(text) | ValueRef::Blob(text) => text.len(),
                _ => 8,
            };
        }
        read += 1;
    }
    assert!(bytes > ROWS * COLUMNS, "the rows have content");
    assert_eq!(read, ROWS);
    let model = Counter::descriptor();
    let scan = store.scan(model, &Query::all()).await.expect("a scan");
    let ids: Vec<DocumentId> = scan.ids.iter().collect();
    let mut fetched = 0;
    for ids in ids.chunks(FETCHED) {
        let documents = store.fetch(model, ids).await.expect("a fetch");
        fetched += documents.iter().filter(|document| document.is_some()).count();
    }
    assert_eq!(fetched, ROWS);
    started.elapsed()
}
