//! What 100,000 synced rows take in RAM: the bookkeeping by count, and the whole process as the system sees it. The store has no documents, it makes
//! them up; so the figures are those of the framework, SQLite and the runtime.
//!
//! `cargo bench --bench memory`

#![expect(clippy::print_stdout, reason = "the report of a measurement")]

#[path = "../tests/memory/endless_store.rs"]
mod endless_store;
#[path = "../tests/memory/measure.rs"]
mod measure;

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const ROWS: u64 = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let before = resident();
    runtime.block_on(async {
        for (way, figures) in [
            ("received", measure::receiving(&ALLOCATOR, ROWS).await),
            ("sent", measure::sending(&ALLOCATOR, ROWS).await),
        ] {
            println!(
                "{ROWS} rows {way}: {} bytes a row when quiet, {} more at most while all are compared",
                figures.steady as u64 / ROWS,
                figures.comparing as u64 / ROWS,
            );
        }
    });
    println!(
        "resident, MiB (now, at most): {before:?} before, {:?} after",
        resident()
    );
}

/// Of this process, where the system tells.
fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes / 1024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
