//! The way in: documents of a store that has them ready, to committed rows, and the same documents again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::SyncStatus;

use crate::{
    baseline,
    counters::{self, Counter},
    device::{Device, PATIENCE},
    ready_store::{self, ReadyStore},
    report::{Report, Series},
};

const LIMIT: usize = 0;
const OURS: usize = 1;
const BY_ROW: usize = 2;
const BY_VALUES: usize = 3;
/// Of new rows: rows a second of the Dart framework's policy, 5 in 100 ms.
const PACED_ROWS_A_SECOND: f64 = 50.0;
const VARIANTS: [&str; 4] = [
    "rusqlite, prepared loop of bare upserts",
    "ditto-sync, whole pipeline",
    "sqlx, one query a row",
    "sqlx, 200 rows to a statement",
];

pub(crate) async fn measure(report: &mut Report, rows: usize, rounds: usize) {
    let [mut new, mut updated] = [(); 2].map(|()| Series::new(&VARIANTS));
    let mut again = Series::new(&[
        "ditto-sync, new documents",
        "ditto-sync, the same documents again",
        "the same, from a store that says no hashes",
    ]);
    // One query a row takes so long that a few rounds are enough.
    let by_row_rounds = if rows > 10_000 { 1 } else { rounds };
    for round in 0..rounds {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (first, second) = (Counter::all(rows, 0), Counter::all(rows, 1));
        limit(&path("limit.db"), (&first, &second), (&mut new, &mut updated));
        ours(
            &path("ours.db"),
            (&first, &second),
            (&mut new, &mut updated, &mut again),
        )
        .await;
        for (variant, versions) in [(0, &first), (1, &second)] {
            let series = if variant == 0 { &mut new } else { &mut updated };
            let values = path("values.db");
            if variant == 0 {
                drop(baseline::create(&values));
            }
            series.add(BY_VALUES, baseline::upsert_by_values(&values, versions).await);
            if round < by_row_rounds {
                let by_row = path("row.db");
                if variant == 0 {
                    drop(baseline::create(&by_row));
                }
                series.add(BY_ROW, baseline::upsert_by_row(&by_row, versions).await);
                counters::check(&baseline::open(&by_row), rows, variant);
            }
            counters::check(&baseline::open(&values), rows, variant);
        }
    }
    report.series(&format!("documents into {rows} new rows"), rows, &new);
    report.series(&format!("documents into {rows} rows that exist"), rows, &updated);
    report.series(&format!("{rows} unchanged documents"), rows, &again);
    report.bounded(format!("inbound_apply/{rows}"), new.ratio(OURS, LIMIT), 2.5);
    report.figure(format!("inbound_update/{rows}"), updated.ratio(OURS, LIMIT));
    report.bounded(format!("inbound_redelivered/{rows}"), again.ratio(1, 0), 0.08);
    report.figure(format!("inbound_redelivered_fetched/{rows}"), again.ratio(2, 0));
    report.figure(format!("inbound_vs_handwritten/{rows}"), new.ratio(OURS, BY_ROW));
    report.figure(format!("inbound_vs_values/{rows}"), new.ratio(OURS, BY_VALUES));
    report.figure(
        format!("vs_paced/{rows}"),
        1e6 / new.micros(OURS, rows) / PACED_ROWS_A_SECOND,
    );
}

fn limit(path: &Path, (first, second): (&[Counter], &[Counter]), (new, updated): (&mut Series, &mut Series)) {
    let mut connection = baseline::create(path);
    new.add(LIMIT, baseline::upsert(&mut connection, first));
    counters::check(&connection, first.len(), 0);
    baseline::checkpoint(&connection);
    updated.add(LIMIT, baseline::upsert(&mut connection, second));
    counters::check(&connection, first.len(), 1);
}

async fn ours(
    path: &Path,
    (first, second): (&[Counter], &[Counter]),
    (new, updated, again): (&mut Series, &mut Series, &mut Series),
) {
    let store = ReadyStore::default();
    let device = Device::start(path, store.clone()).await;
    let time = deliver(&device, &store, (first.len(), 0)).await;
    new.add(OURS, time);
    again.add(0, time);
    counters::check(&device.app, first.len(), 0);
    baseline::checkpoint(&device.app);
    let before = device.data_version();
    again.add(1, deliver_hashed(&device, &store, first.len()).await);
    again.add(2, deliver(&device, &store, (first.len(), 0)).await);
    assert_eq!(device.data_version(), before, "unchanged documents write nothing");
    updated.add(OURS, deliver(&device, &store, (second.len(), 1)).await);
    counters::check(&device.app, first.len(), 1);
    device.nothing_is_wrong();
    device.close().await;
}

/// From the report of all documents until all of them are committed, without what the store needs to make them up.
pub(crate) async fn deliver(
    device: &Device,
    store: &ReadyStore,
    (documents, version): (usize, i64),
) -> Duration {
    store.hold(documents, version);
    let ids = ready_store::ids(documents);
    let started = Instant::now();
    store.announce(ids);
    store.fetched().await;
    device.sync.settled(PATIENCE).await.expect("settles");
    started.elapsed().saturating_sub(store.spent())
}

/// From the report of all documents, with their hashes, until all of them have been recognized, without what the store needs to read them.
async fn deliver_hashed(device: &Device, store: &ReadyStore, documents: usize) -> Duration {
    let skipped = |status: &SyncStatus| status.collections["counters"].skipped_unchanged;
    let mut status = device.sync.status();
    let all = skipped(&status.borrow()) + documents as u64;
    let ids = ready_store::ids(documents);
    let started = Instant::now();
    store.announce_hashed(ids);
    let recognized = status.wait_for(|status| skipped(status) >= all).await;
    drop(recognized.expect("it goes on"));
    let time = started.elapsed().saturating_sub(store.spent());
    device.sync.settled(PATIENCE).await.expect("settles");
    assert_eq!(store.fetches(), 0, "what is recognized is not fetched");
    time
}
