//! One change, from the app's commit on one device until it is in the SQLite file of another: how long it takes, and that the size of the table does not matter.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use ditto_sync_testkit::{Flavor, LinkConfig, MemoryConfig, MemoryHub, Network};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    baseline,
    counters::{self, Counter, id_of},
    device::Device,
    report::{Report, median, percentile},
};

/// Names the database to the other process, which is this program started once more.
const DATABASE: &str = "DITTO_SYNC_COMPARE_WRITER";
/// Between two looks at the other device's file.
const LOOK: Duration = Duration::from_micros(50);
const UPDATE: &str = "UPDATE counters SET current_receipt = ?1 WHERE id = ?2";
const SIZES: [usize; 2] = [1000, 1_000_000];

/// Two devices that hear each other.
struct Pair {
    left: Device,
    right: Device,
    network: Network,
    wire: tokio::task::JoinHandle<()>,
    directory: TempDir,
}

impl Pair {
    async fn new(rows: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let hub = MemoryHub::new(MemoryConfig::new(Flavor::Mesh));
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let running = network.clone();
        let wire = tokio::spawn(async move { running.run().await });
        let path = |name: &str| directory.path().join(format!("{name}.db"));
        let mut left = Device::start(&path("left"), hub.store("left")).await;
        let right = Device::start(&path("right"), hub.store("right")).await;
        // In pieces, so that no message between the stores holds the whole table.
        for numbers in (0..rows).collect::<Vec<_>>().chunks(20_000) {
            let rows: Vec<_> = numbers.iter().map(|&number| Counter::new(number, 0)).collect();
            baseline::upsert(&mut left.app, &rows);
            left.quiet().await;
        }
        let pair = Self {
            left,
            right,
            network,
            wire,
            directory,
        };
        pair.in_step(rows).await;
        pair.settle_disk();
        pair
    }

    /// What is written back later would be in the way of the syncs that are measured.
    fn settle_disk(&self) {
        for (device, name) in [(&self.left, "left.db"), (&self.right, "right.db")] {
            baseline::checkpoint(&device.app);
            let file = std::fs::File::open(self.directory.path().join(name)).expect("the database");
            file.sync_all().expect("is synced");
        }
    }

    async fn in_step(&self, rows: usize) {
        loop {
            if counters::count(&self.right.app, "counters") == rows {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.left.quiet().await;
        self.right.quiet().await;
        counters::check(&self.right.app, rows, 0);
    }

    fn right_path(&self) -> PathBuf {
        self.directory.path().join("right.db")
    }

    async fn close(self) {
        for device in [self.left, self.right] {
            device.nothing_is_wrong();
            device.close().await;
        }
        self.network.shutdown();
        self.wire.await.expect("the wire ends");
    }
}

/// Waits until the row has this value in the file, and returns when it was seen.
fn seen(connection: &Connection, number: usize, value: i64) -> SystemTime {
    let mut select = connection
        .prepare_cached("SELECT current_receipt FROM counters WHERE id = ?1")
        .expect("prepares");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found: i64 = select
            .query_row([id_of(number)], |row| row.get(0))
            .expect("the row");
        if found == value {
            return SystemTime::now();
        }
        assert!(Instant::now() < deadline, "the change has not arrived");
        std::thread::sleep(LOOK);
    }
}

/// Changes through the app's pool, one at a time with pauses between, as a till does.
async fn changes(pair: &Pair, rows: usize, count: usize) -> Vec<Duration> {
    let reader = baseline::open(&pair.right_path());
    let mut times = Vec::with_capacity(count);
    let mut reader = Some(reader);
    for at in 0..count {
        let number = at * 7919 % rows;
        let value = i64::try_from(2_000_000 + at).expect("a small number");
        // Whatever the change before has left to do is over.
        tokio::time::sleep(Duration::from_millis(15)).await;
        let connection = reader.take().expect("the reader");
        let looking = tokio::task::spawn_blocking(move || {
            let time = seen(&connection, number, value);
            (time, connection)
        });
        sqlx::query(UPDATE)
            .bind(value)
            .bind(id_of(number))
            .execute(pair.left.repository.pool())
            .await
            .expect("an update");
        let committed = SystemTime::now();
        let (time, connection) = looking.await.expect("the look");
        reader = Some(connection);
        times.push(time.duration_since(committed).unwrap_or_default());
    }
    times
}

pub(crate) async fn latency(report: &mut Report, quick: bool) {
    let pair = Pair::new(1000).await;
    changes(&pair, 1000, 20).await;
    let times = changes(&pair, 1000, if quick { 200 } else { 1000 }).await;
    tell(report, "from this process", "latency", &times);
    let times = changes_of_other_process(&pair, if quick { 40 } else { 200 }).await;
    tell(report, "from another process", "latency_other_process", &times);
    pair.close().await;
}

fn tell(report: &mut Report, who: &str, name: &str, times: &[Duration]) {
    let millis = |share| percentile(times, share).as_secs_f64() * 1e3;
    report.say(&format!(
        "commit {who} until it is in the other device's file, {} changes: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        times.len(),
        millis(0.5),
        millis(0.9),
        millis(0.99),
        millis(1.0)
    ));
    let bounds = (name == "latency").then_some([2.0, 10.0]);
    for (at, (label, share)) in [("p50", 0.5), ("p99", 0.99)].into_iter().enumerate() {
        let name = format!("{name}_{label}_ms");
        match bounds {
            Some(bounds) => report.bounded(name, millis(share), bounds[at]),
            None => report.figure(name, millis(share)),
        }
    }
}

/// The other process: a line names a value, and it writes that and answers when the commit was over.
pub(crate) fn is_other_process() -> bool {
    let Some(path) = std::env::var_os(DATABASE) else {
        return false;
    };
    let connection = baseline::open(Path::new(&path));
    let mut update = connection.prepare(UPDATE).expect("prepares");
    let mut answers = std::io::stdout();
    for line in std::io::stdin().lines() {
        let at: usize = line.expect("a line").parse().expect("a number");
        let value = i64::try_from(3_000_000 + at).expect("a small number");
        let changed = update.execute(rusqlite::params![value, id_of(at)]);
        assert_eq!(changed, Ok(1));
        let committed = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("it is later than 1970");
        writeln!(answers, "{}", committed.as_nanos()).expect("is told");
        answers.flush().expect("is told");
    }
    true
}

async fn changes_of_other_process(pair: &Pair, count: usize) -> Vec<Duration> {
    let reader = baseline::open(&pair.right_path());
    let left = pair.directory.path().join("left.db");
    let work = move || {
        let mut other = Command::new(std::env::current_exe().expect("this program"))
            .env(DATABASE, left)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the other process starts");
        let mut orders = other.stdin.take().expect("its input");
        let mut answers = BufReader::new(other.stdout.take().expect("its output")).lines();
        let mut times = Vec::with_capacity(count);
        for at in 0..count {
            // Against the beat of the polling.
            std::thread::sleep(Duration::from_micros(20_000 + (at as u64 * 7919) % 50_000));
            writeln!(orders, "{at}").expect("is told");
            let answer = answers.next().expect("an answer").expect("an answer");
            let nanos = answer.parse().expect("a number");
            let committed = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
            let value = i64::try_from(3_000_000 + at).expect("a small number");
            times.push(
                seen(&reader, at, value)
                    .duration_since(committed)
                    .unwrap_or_default(),
            );
        }
        drop(orders);
        assert!(
            other.wait().expect("it ends").success(),
            "the other process failed"
        );
        times
    };
    tokio::task::spawn_blocking(work).await.expect("the changes")
}

/// The same change at two table sizes.
pub(crate) async fn flat(report: &mut Report) {
    let mut medians = Vec::new();
    for rows in SIZES {
        let pair = Pair::new(rows).await;
        changes(&pair, rows, 20).await;
        let times = changes(&pair, rows, 300).await;
        let micros = median(times.iter().map(|time| time.as_secs_f64() * 1e6).collect());
        report.say(&format!("one change at {rows} rows: {micros:.0} us"));
        medians.push(micros);
        pair.close().await;
    }
    report.bounded("flat", medians[1] / medians[0], 1.5);
}
