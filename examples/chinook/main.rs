//! Mirrors the Chinook database into a second, empty SQLite file, foreign keys on, and keeps both in step while both are written.
//!
//! ```console
//! cargo run --release --example chinook -- path/to/chinook.sqlite
//! ```
//!
//! The file is copied first and never written. Get it at <https://github.com/lerocha/chinook-database>.
//!
//! With the feature `ditto` and a second argument `ditto` the documents live in a Ditto that both devices share, since two need a license to meet.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

mod edits;
mod models;
mod tables;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use ditto_sync::{DocumentStore, prelude::*};
use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub};
use tables::TABLES;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Long enough for any machine; being in step takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chinook: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let original = path_argument()?;
    // Removed with everything in it when this function ends, however it ends.
    let directory = tempfile::tempdir()?;
    match std::env::args().nth(2).as_deref() {
        None => over_memory(&original, directory.path()).await,
        Some("ditto") => over_ditto(&original, directory.path()).await,
        Some(other) => Err(format!("there is no store `{other}`").into()),
    }
}

async fn over_memory(original: &Path, directory: &Path) -> Outcome<()> {
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
    let network = hub.network();
    network.connect_all(LinkConfig::perfect());
    let running = network.clone();
    let wire = tokio::spawn(async move { running.run().await });
    mirror(original, directory, hub.store("left"), hub.store("right")).await?;
    network.shutdown();
    wire.await?;
    Ok(())
}

#[cfg(feature = "ditto")]
async fn over_ditto(original: &Path, directory: &Path) -> Outcome<()> {
    use ditto_sync::ditto_sdk::{DittoConfig, DittoConfigConnect, logger::DittoLogger};

    DittoLogger::set_logging_enabled(false);
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    let config = DittoConfig::new("chinook", connect).with_persistence_directory(directory.join("ditto"));
    let store = DittoStore::open(config).await?;
    mirror(original, directory, store.clone(), store.clone()).await?;
    store.close().await;
    Ok(())
}

#[cfg(not(feature = "ditto"))]
async fn over_ditto(_: &Path, _: &Path) -> Outcome<()> {
    Err("build with `--features ditto` for that".into())
}

async fn mirror<S: DocumentStore>(original: &Path, directory: &Path, one: S, other: S) -> Outcome<()> {
    let (left, right) = (directory.join("left.sqlite"), directory.join("right.sqlite"));
    std::fs::copy(original, &left)?;
    let mut clock = Phases::start();
    let left = Device::start("left", &left, one).await?;
    tables::copy_schema(left.repository.pool(), &right).await?;
    let right = Device::start("right", &right, other).await?;
    clock.done("prepare both databases");

    in_step(&left, &right, "first sync").await?;
    clock.done("first sync");
    println!(
        "  {} rows of {} tables mirrored",
        tables::count(right.repository.pool()).await?,
        TABLES.len()
    );

    edits::on_the_left(left.repository.pool()).await?;
    edits::on_the_right(right.repository.pool()).await?;
    clock.done("edits, deletes and inserts on both sides");
    in_step(&left, &right, "both ways").await?;
    clock.done("in step again");

    edits::of_one_row(left.repository.pool(), right.repository.pool()).await?;
    in_step(&left, &right, "one row, two fields").await?;
    edits::check_one_row(right.repository.pool()).await?;
    clock.done("concurrent edits of one row");

    let rows = tables::compare_all(left.repository.pool(), right.repository.pool()).await?;
    clock.done("compare every row");
    clock.print();

    left.stop().await?;
    right.stop().await?;
    println!("in step: {rows} rows, {} tables", TABLES.len());
    Ok(())
}

fn path_argument() -> Outcome<PathBuf> {
    let path: PathBuf = std::env::args_os()
        .nth(1)
        .ok_or("usage: chinook PATH, the Chinook database as a SQLite file")?
        .into();
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not a file", path.display()).into())
    }
}

/// One of the two: its database and its coordinator.
struct Device {
    repository: SqliteRepository,
    sync: SyncHandle,
}

impl Device {
    async fn start(name: &str, path: &Path, store: impl DocumentStore) -> Outcome<Self> {
        let repository = SqliteRepository::open(path).await?;
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let registry = SyncRegistry::discover()?.config(config);
        println!("{name}: {} collections", registry.collections().len());
        let sync = registry.start(repository.clone(), store).await?;
        Ok(Self { repository, sync })
    }

    async fn stop(self) -> Outcome<()> {
        self.sync.shutdown().await?;
        self.repository.pool().close().await;
        Ok(())
    }
}

/// Waits until every table of both has the same rows.
async fn in_step(left: &Device, right: &Device, what: &str) -> Outcome<()> {
    let started = Instant::now();
    let mut shown = Instant::now();
    loop {
        left.sync.settled(PATIENCE).await?;
        right.sync.settled(PATIENCE).await?;
        let differing = tables::differing(left.repository.pool(), right.repository.pool()).await?;
        if differing.is_empty() {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            let status = right.sync.status().borrow().clone();
            return Err(format!(
                "{what}: {} still differ after {PATIENCE:?}; {status:?}",
                differing.join(", ")
            )
            .into());
        }
        if shown.elapsed() > Duration::from_millis(250) {
            println!("  {what}: {} tables to go", differing.len());
            shown = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How long each phase took.
struct Phases {
    last: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn start() -> Self {
        Self {
            last: Instant::now(),
            done: Vec::new(),
        }
    }

    fn done(&mut self, phase: &'static str) {
        println!("{phase}: done");
        self.done.push((phase, self.last.elapsed()));
        self.last = Instant::now();
    }

    fn print(&self) {
        println!();
        for (phase, time) in &self.done {
            println!("{phase:<42} {:>9.1} ms", time.as_secs_f64() * 1000.0);
        }
        if let Some(peak) = peak_resident_kib() {
            println!("{:<42} {:>9.1} MiB", "peak resident memory", peak / 1024.0);
        }
        println!();
    }
}

/// As Linux counts it; other systems do not say.
fn peak_resident_kib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
