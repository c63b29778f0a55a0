//! What the mesh costs by itself, over real QUIC on loopback: from a commit to the peer that sees it, a first exchange, a restart, memory.
//!
//! `cargo bench -p ditto-sync-mesh --bench mesh -- [rows]`. Both devices are in one process, so memory is that of both.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints what it measures, and a failure ends it"
)]

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{DocumentStore, Observation, WriteOutcome},
    value::Value,
};
use ditto_sync_mesh::{MeshObservation, MeshStore};
use ditto_sync_testkit::models::STOCK;

const BATCH: usize = 1000;
const EDITS: usize = 500;
const PACE: Duration = Duration::from_millis(12);
const SETTLE: Duration = Duration::from_secs(5);

fn main() {
    let rows = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(rows.unwrap_or(100_000)));
}

async fn measure(rows: usize) {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("one");
    let one = open(&home).await;
    println!("a store open: {} MB resident", resident());
    fill(&one, rows).await;
    let other = open(&directory.path().join("other")).await;
    let mut observation = other.observe(&STOCK, &Query::all(), None).await.unwrap();
    first_exchange((&one, &other), &mut observation, rows).await;
    edit(&one, &mut observation, rows).await;
    println!("after the edits: {} MB resident", resident());
    one.close().await;
    other.close().await;
    drop((one, other, observation));
    restart(&home, rows).await;
}

async fn fill(store: &MeshStore, rows: usize) {
    let start = Instant::now();
    for first in (0..rows).step_by(BATCH) {
        let inserts = (first..rows.min(first + BATCH)).map(|row| operation(&name(row), None, insert(row)));
        write(store, (first / BATCH + 1) as u64, inserts.collect()).await;
    }
    report("written", rows, start.elapsed());
}

async fn first_exchange(
    (one, other): (&MeshStore, &MeshStore),
    observation: &mut MeshObservation,
    rows: usize,
) {
    let start = Instant::now();
    other.join(&one.ticket().await.unwrap()).await.unwrap();
    let mut seen = HashSet::new();
    while seen.len() < rows {
        let batch = observation.next().await.unwrap();
        let ids: Vec<DocumentId> = batch.changes.into_iter().map(|change| change.id).collect();
        for part in ids.chunks(BATCH) {
            let found = other.fetch(&STOCK, part).await.unwrap();
            assert!(found.iter().all(Option::is_some));
        }
        seen.extend(ids);
    }
    report("by a fresh peer, observed and read", rows, start.elapsed());
    println!("after the exchange: {} MB resident", resident());
    drop(seen);
    tokio::time::sleep(SETTLE).await;
    println!(
        "settled, two stores of {rows} rows each: {} MB resident",
        resident()
    );
}

async fn edit(one: &MeshStore, observation: &mut MeshObservation, rows: usize) {
    let mut times = Vec::with_capacity(EDITS);
    for edit in 0..EDITS {
        let id = name(edit * 7 % rows);
        let found = one
            .fetch(&STOCK, &[DocumentId::text(&id).unwrap()])
            .await
            .unwrap();
        let action = Action::Patch {
            set: vec![("note".into(), format!("edit {edit}").into())],
            increments: vec![],
        };
        let operation = operation(&id, found[0].as_ref(), action);
        let target = operation.id.clone();
        let start = Instant::now();
        write(one, (rows + edit + 1) as u64, vec![operation]).await;
        let committed = start.elapsed();
        loop {
            let batch = observation.next().await.unwrap();
            if batch.changes.iter().any(|change| change.id == target) {
                break;
            }
        }
        times.push((start.elapsed(), committed));
        // Longer than the pause between two pushes: each edit is the first after silence.
        tokio::time::sleep(PACE).await;
    }
    percentiles(
        "from a write to the peer's report",
        times.iter().map(|time| time.0),
    );
    percentiles("of it the write, with its fsync", times.iter().map(|time| time.1));
}

async fn restart(home: &Path, rows: usize) {
    for scanned in [true, false] {
        let start = Instant::now();
        let one = open(home).await;
        if scanned {
            let found = one.scan(&STOCK, &Query::all()).await.unwrap();
            assert_eq!(found.ids.len(), rows);
        }
        let time = start.elapsed().as_secs_f64() * 1e3;
        println!(
            "opened{} in {time:.0} ms",
            if scanned { " and scanned" } else { "" }
        );
        one.close().await;
    }
}

async fn open(directory: &Path) -> MeshStore {
    let builder = MeshStore::builder("bench").directory(directory);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    builder.listen(address).open().await.unwrap()
}

fn name(row: usize) -> String {
    format!("row-{row:07}")
}

fn insert(row: usize) -> Action {
    let fields: [(&str, Value); 6] = [
        ("id", name(row).as_str().into()),
        ("branchId", "kigali-1".into()),
        ("product", format!("product {}", row % 1000).into()),
        ("quantity", Value::Int(i64::try_from(row % 50).unwrap())),
        ("price", Value::Float(1.25)),
        ("note", "delivered in time".into()),
    ];
    Action::Insert(fields.into_iter().collect())
}

fn operation(id: &str, found: Option<&Document>, action: Action) -> Operation {
    Operation {
        model: &STOCK,
        id: DocumentId::text(id).unwrap(),
        expect: STOCK.hash_of(found).unwrap().map_or(Expect::Absent, Expect::Hash),
        action,
        record: Record {
            covers: None,
            sent: None,
            undo: Undo::Seed,
        },
    }
}

async fn write(store: &MeshStore, sequence: u64, operations: Vec<Operation>) {
    let batch = BatchId {
        replica: ReplicaId::from_bytes([1; 16]),
        sequence,
    };
    let outcome = store.write(&Intent { batch, operations }).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Applied);
}

fn report(what: &str, rows: usize, time: Duration) {
    let seconds = time.as_secs_f64();
    println!(
        "{rows} rows {what}: {seconds:.2} s, {:.0} rows/s",
        rows as f64 / seconds
    );
}

fn percentiles(what: &str, times: impl Iterator<Item = Duration>) {
    let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
}

/// Memory of the process, in MB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0) / 1024
}
