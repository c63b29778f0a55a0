//! A first sync: how long the app's own writes wait beside it, and how much memory it takes.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ditto_sync::SqliteRepository;

use crate::{
    baseline, counters,
    device::{Device, PATIENCE},
    inbound,
    ready_store::ReadyStore,
    report::{Report, percentile},
};

const ROWS: usize = 100_000;
/// Between two writes of the app.
const PAUSE: Duration = Duration::from_millis(3);
/// Names the number of rows to a process of its own, whose peak nothing else has raised.
const MEMORY: &str = "DITTO_SYNC_COMPARE_MEMORY";

/// The app's writes beside a first sync: through the framework's turns, and from a connection that knows nothing of it.
pub(crate) async fn waits(report: &mut Report) {
    let ours = beside(async |repository, ended| by_turns(repository, ended).await).await;
    let foreign = beside(async |repository, ended| {
        let path = repository.path().to_owned();
        tokio::task::spawn_blocking(move || by_force(&path, &ended))
            .await
            .expect("the writes")
    })
    .await;
    for (who, name, times) in [
        ("repository.begin()", "app_wait", ours),
        ("a connection of its own", "app_wait_foreign", foreign),
    ] {
        let millis = |share| percentile(&times, share).as_secs_f64() * 1e3;
        report.say(&format!(
            "{} app transactions through {who} beside a first sync of {ROWS} rows waited: p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
            times.len(),
            millis(0.5),
            millis(0.99),
            millis(1.0)
        ));
        let value = millis(0.99);
        match name {
            "app_wait" => report.bounded("app_wait_p99_ms", value, 25.0),
            other => report.figure(format!("{other}_p99_ms"), value),
        }
    }
}

async fn beside(
    write: impl AsyncFnOnce(SqliteRepository, Arc<AtomicBool>) -> Vec<Duration>,
) -> Vec<Duration> {
    let directory = tempfile::tempdir().expect("a directory");
    let store = ReadyStore::default();
    let device = Device::start(&directory.path().join("ours.db"), store.clone()).await;
    device
        .app
        .execute_batch("CREATE TABLE notes (at INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        .expect("the app's table");
    let ended = Arc::new(AtomicBool::new(false));
    let syncing = async {
        inbound::deliver(&device, &store, (ROWS, 0)).await;
        ended.store(true, Ordering::SeqCst);
    };
    let writing = write(device.repository.clone(), Arc::clone(&ended));
    let ((), times) = futures_util::future::join(syncing, writing).await;
    counters::check(&device.app, ROWS, 0);
    let notes = counters::count(&device.app, "notes");
    assert_eq!(notes, times.len(), "every write of the app is there");
    device.close().await;
    times
}

async fn by_turns(repository: SqliteRepository, ended: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while !ended.load(Ordering::SeqCst) {
        let started = Instant::now();
        let mut transaction = repository.begin().await.expect("a turn");
        times.push(started.elapsed());
        sqlx::query("INSERT INTO notes (text) VALUES ('a note')")
            .execute(&mut *transaction)
            .await
            .expect("an insert");
        transaction.commit().await.expect("a commit");
        tokio::time::sleep(PAUSE).await;
    }
    times
}

fn by_force(path: &Path, ended: &AtomicBool) -> Vec<Duration> {
    let connection = baseline::open(path);
    let mut times = Vec::new();
    while !ended.load(Ordering::SeqCst) {
        let started = Instant::now();
        connection.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        times.push(started.elapsed());
        connection
            .execute_batch("INSERT INTO notes (text) VALUES ('a note'); COMMIT")
            .expect("a write");
        std::thread::sleep(PAUSE);
    }
    times
}

/// The memory that a first sync takes, in a process that does nothing else; its store makes documents up when they are asked for, and holds none.
pub(crate) fn memory(report: &mut Report, quick: bool) {
    let rows = if quick { 100_000 } else { 1_000_000 };
    let output = Command::new(std::env::current_exe().expect("this program"))
        .env(MEMORY, rows.to_string())
        .output()
        .expect("the other process starts");
    assert!(
        output.status.success(),
        "a first sync failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = String::from_utf8(output.stdout).expect("text");
    let Ok(mib) = answer.trim().parse::<f64>() else {
        report.say("memory: this system does not tell the peak of a process");
        return;
    };
    report.say(&format!(
        "first sync of {rows} rows: {mib:.0} MiB resident at most, with SQLite and the runtime"
    ));
    report.bounded(format!("memory_mib/{rows}"), mib, 400.0);
}

/// The process that is measured.
pub(crate) fn is_other_process() -> bool {
    let Some(rows) = std::env::var(MEMORY).ok().and_then(|rows| rows.parse().ok()) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let directory = tempfile::tempdir().expect("a directory");
        let store = ReadyStore::default();
        store.hold(rows, 0);
        let device = Device::start(&directory.path().join("ours.db"), store).await;
        device.sync.settled(PATIENCE).await.expect("settles");
        counters::check(&device.app, rows, 0);
        device.nothing_is_wrong();
        device.close().await;
    });
    match peak_mib() {
        Some(peak) => println!("{peak}"),
        None => println!("unknown"),
    }
    true
}

fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
