//! What a device costs while nothing changes.

use std::time::{Duration, Instant};

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
    let Some(cpu) = cpu_time() else {
        report.say("idle: this system does not tell the time of its threads");
        return;
    };
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(if quick { 5 } else { 20 })).await;
    let elapsed = started.elapsed();
    let used = cpu_time().expect("it told before").saturating_sub(cpu);
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

/// Of all threads of this process that are alive, in nanoseconds on a core; Linux tells.
fn cpu_time() -> Option<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let schedule = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += schedule.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}
