//! What a device costs while nothing changes.

use std::{
    collections::HashMap,
    ffi::OsString,
    time::{Duration, Instant},
};

use ditto_sync_testkit::{Flavor, MemoryConfig, MemoryHub};

use crate::{baseline, counters::Counter, device::Device, report::Report};

const ROWS: usize = 10_000;

pub(crate) async fn measure(report: &mut Report, quick: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = MemoryHub::new(MemoryConfig::new(Flavor::Ditto)).store("bench");
    let mut device = Device::start(&directory.path().join("ours.db"), store.clone()).await;
    baseline::upsert(&mut device.app, &Counter::all(ROWS, 0));
    device.quiet().await;
    // What came in with the last acknowledgement is looked at first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = (device.data_version(), store.changes_seen());
    let Some(cpu) = cpu_times() else {
        report.say("idle: this system does not tell the time of its threads");
        return;
    };
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(if quick { 5 } else { 20 })).await;
    let elapsed = started.elapsed();
    let used = used_since(&cpu, &cpu_times().expect("it told before"));
    assert_eq!(
        (device.data_version(), store.changes_seen()),
        before,
        "a quiet device writes nothing"
    );
    device.close().await;
    let share = used.as_secs_f64() / elapsed.as_secs_f64();
    report.say(&format!(
        "{ROWS} synced rows, nothing changes, {:.0} s: {:.1} ms of one core",
        elapsed.as_secs_f64(),
        used.as_secs_f64() * 1e3
    ));
    report.bounded("idle_cpu", share, 0.005);
}

/// Nanoseconds on a core of each thread of this process that is alive; Linux tells.
fn cpu_times() -> Option<HashMap<OsString, u64>> {
    let mut times = HashMap::new();
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let thread = thread.ok()?;
        // It may have ended since it was listed.
        if let Ok(schedule) = std::fs::read_to_string(thread.path().join("schedstat")) {
            let nanos = schedule.split_whitespace().next()?.parse().ok()?;
            times.insert(thread.file_name(), nanos);
        }
    }
    Some(times)
}

/// What the threads that are still there have used. Of one that has ended meanwhile, as those of measurements before do, the time before must not be subtracted from that of the others.
fn used_since(before: &HashMap<OsString, u64>, after: &HashMap<OsString, u64>) -> Duration {
    let used = after
        .iter()
        .map(|(thread, nanos)| nanos - before.get(thread).copied().unwrap_or(0));
    Duration::from_nanos(used.sum())
}
