//! The way out: rows that the app has changed, to a memory store and acknowledged.

use std::time::{Duration, Instant};

use ditto_sync::DittoAdapter as _;
use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub, MemoryStore};

use crate::{
    baseline,
    counters::{self, Counter},
    device::{Device, PATIENCE},
    report::{Report, Series},
};

const VARIANTS: [&str; 2] = [
    "rusqlite, prepared loop of bare upserts",
    "ditto-sync, drained and acknowledged",
];

pub(crate) async fn measure(report: &mut Report, rows: usize, rounds: usize) {
    let [mut new, mut updated] = [(); 2].map(|()| Series::new(&VARIANTS));
    for _ in 0..rounds {
        let directory = tempfile::tempdir().expect("a directory");
        let (first, second) = (Counter::all(rows, 0), Counter::all(rows, 1));
        let mut limit = baseline::create(&directory.path().join("limit.db"));
        new.add(0, baseline::upsert(&mut limit, &first));
        baseline::checkpoint(&limit);
        updated.add(0, baseline::upsert(&mut limit, &second));
        let store = MemoryHub::new(MemoryConfig::new(Flavor::Ditto)).store("bench");
        let mut device = Device::start(&directory.path().join("ours.db"), store.clone()).await;
        new.add(1, drain(&mut device, &first).await);
        baseline::checkpoint(&device.app);
        updated.add(1, drain(&mut device, &second).await);
        check(&store, rows);
        counters::check(&device.app, rows, 1);
        device.nothing_is_wrong();
        device.close().await;
    }
    report.series(&format!("{rows} new rows to the store"), rows, &new);
    report.series(&format!("{rows} changed rows to the store"), rows, &updated);
    report.bounded(format!("outbound_drain/{rows}"), new.ratio(1, 0), 3.0);
    report.figure(format!("outbound_drain_updates/{rows}"), updated.ratio(1, 0));
}

/// From the app's commit until everything is acknowledged. The coordinator may notice the commit before the clock starts, by less than one poll.
async fn drain(device: &mut Device, rows: &[Counter]) -> Duration {
    baseline::upsert(&mut device.app, rows);
    let started = Instant::now();
    device.sync.settled(PATIENCE).await.expect("settles");
    started.elapsed()
}

fn check(store: &MemoryStore, rows: usize) {
    let documents = store.documents(Counter::descriptor());
    assert_eq!(documents.len(), rows, "every row has a document");
    for (_, document) in documents {
        let id = document.get("id").cloned();
        let Some(ditto_sync::Value::Text(id)) = id else {
            panic!("a document without its id: {document:?}");
        };
        assert_eq!(
            document,
            Counter::new(counters::number_of(&id), 1).to_document(),
            "the document is the row"
        );
    }
}
