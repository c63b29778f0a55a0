//! Two whole devices on the mesh, from table to table over QUIC on loopback: the way of one commit, a first exchange, steady edits, memory, a restart.
//!
//! `cargo bench --bench mesh -- [rows] [seconds of steady edits]`. Each device is a process of its own: this program is the first, and starts itself as the second.
#![expect(clippy::print_stdout, reason = "a bench reports to its reader")]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ditto_sync::{Phase, prelude::*};
use sqlx::SqlitePool;

/// Eight columns beside the key, as a row of a till has.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "articles")]
struct Article {
    #[ditto(id)]
    id: String,
    name: String,
    barcode: String,
    category: Option<String>,
    price: f64,
    tax: f64,
    #[ditto(counter)]
    quantity: i64,
    active: bool,
    /// Microseconds since 1970, when it was written.
    touched: i64,
}

const COMMITS: usize = 500;
const EDITS_PER_SECOND: usize = 1000;
/// Between two looks at the peer's table.
const LOOK: Duration = Duration::from_micros(50);
/// Rows changed in one transaction of the steady edits.
const EDITS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    match arguments.as_slice() {
        [peer, directory, ticket @ ..] if peer == "peer" => {
            runtime.block_on(be_the_peer(
                Path::new(directory),
                ticket.first().map(String::as_str),
            ));
        }
        numbers => {
            let number = |at: usize, default| {
                numbers
                    .get(at)
                    .map_or(default, |number: &String| number.parse().expect("a number"))
            };
            runtime.block_on(measure(number(0, 100_000), number(1, 60)));
        }
    }
}

struct Device {
    repository: SqliteRepository,
    store: MeshStore,
    sync: SyncHandle,
}

impl Device {
    async fn open(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).expect("a directory");
        let repository = SqliteRepository::open(directory.join("app.db"))
            .await
            .expect("a database");
        repository
            .create_missing_tables::<Article>()
            .await
            .expect("a table");
        let store = MeshStore::builder("bench")
            .directory(directory.join("mesh"))
            .listen("127.0.0.1:0".parse().expect("an address"))
            .open()
            .await
            .expect("a store");
        let sync = SyncRegistry::new()
            .with::<Article>()
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), store.clone())
            .await
            .expect("it starts");
        Self {
            repository,
            store,
            sync,
        }
    }

    fn pool(&self) -> &SqlitePool {
        self.repository.pool()
    }

    async fn live(&self) {
        let mut status = self.sync.status();
        let live = status.wait_for(|status| status.phase == Phase::Live).await;
        drop(live.expect("it tells how it is"));
    }

    async fn close(self) {
        self.sync.shutdown().await.expect("it ends");
        self.store.close().await;
        self.repository.pool().close().await;
    }
}

/// The second device, which looks for rows when it is asked to.
async fn be_the_peer(directory: &Path, ticket: Option<&str>) {
    let started = Instant::now();
    let device = Device::open(directory).await;
    device.live().await;
    say(&format!("live {}", started.elapsed().as_micros()));
    if let Some(ticket) = ticket {
        device
            .store
            .join(&ticket.parse().expect("a ticket"))
            .await
            .expect("it joins");
    }
    for order in std::io::stdin().lines().map_while(Result::ok) {
        match order.split(' ').collect::<Vec<_>>()[..] {
            // When this row shows a value that is as new.
            ["see", id, touched] => {
                let wanted = touched.parse().expect("a number");
                let (file, id) = (directory.join("app.db"), id.to_owned());
                let looking = tokio::task::spawn_blocking(move || see(&file, &id, wanted));
                let seen = looking.await.expect("it looks");
                say(&format!("seen {seen}"));
            }
            ["count", rows] => {
                let wanted: i64 = rows.parse().expect("a number");
                while count(device.pool()).await < wanted {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                say(&format!("counted {}", now()));
            }
            ["memory"] => say(&format!("resident {}", resident("VmRSS:"))),
            ["peak"] => say(&format!("peak {}", resident("VmHWM:"))),
            _ => panic!("`{order}` is no order"),
        }
    }
    device.close().await;
}

fn say(line: &str) {
    println!("{line}");
}

/// Waits until the row shows a value that is as new; when that was. Not by the runtime's timer, which is coarser than what is measured.
fn see(file: &Path, id: &str, wanted: i64) -> i64 {
    let connection = rusqlite::Connection::open(file).expect("the database");
    let mut select = connection
        .prepare("SELECT touched FROM articles WHERE id = ?1")
        .expect("the table");
    loop {
        let touched: Option<i64> = match select.query_row([id], |row| row.get(0)) {
            Ok(touched) => Some(touched),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) => panic!("the table can be read: {error}"),
        };
        if touched.is_some_and(|touched| touched >= wanted) {
            return now();
        }
        std::thread::sleep(LOOK);
    }
}

async fn count(pool: &SqlitePool) -> i64 {
    let select = sqlx::query_scalar("SELECT count(*) FROM articles");
    select.fetch_one(pool).await.expect("the table can be read")
}

/// The second device as the first sees it.
struct Peer {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it; how long it took until it was live.
    fn start(directory: &Path, ticket: Option<&str>) -> (Self, Duration) {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .arg("peer")
            .arg(directory)
            .args(ticket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let orders = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut peer = Self {
            process,
            orders,
            answers,
        };
        let micros = peer.hear().try_into().expect("not before 1970");
        (peer, Duration::from_micros(micros))
    }

    fn ask(&mut self, order: &str) -> i64 {
        writeln!(self.orders, "{order}").expect("it takes orders");
        self.hear()
    }

    fn hear(&mut self) -> i64 {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let (_, number) = line.trim().split_once(' ').expect("a word and a number");
        number.parse().expect("a number")
    }

    fn stop(mut self) {
        drop(self.orders);
        assert!(self.process.wait().expect("it ends").success());
    }
}

async fn measure(rows: usize, seconds: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let home = |name: &str| -> PathBuf { directory.path().join(name) };
    let first = Device::open(&home("first")).await;
    first.live().await;
    let ticket = first.store.ticket().await.expect("it listens").to_string();
    let (mut peer, _) = Peer::start(&home("quiet"), Some(&ticket));
    commits(&first, &mut peer).await;
    peer.stop();

    let started = Instant::now();
    insert(first.pool(), rows).await;
    println!(
        "{rows} rows inserted by the app in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    first
        .sync
        .settled(Duration::from_secs(600))
        .await
        .expect("all is sent");
    let rate = rows as f64 / started.elapsed().as_secs_f64();
    println!(
        "  and all of them in its store after {:.1} s: {rate:.0} rows/s",
        started.elapsed().as_secs_f64()
    );

    let began = now();
    let (mut peer, live) = Peer::start(&home("fresh"), Some(&ticket));
    let all = rows + COMMITS;
    let first_row = peer.ask("count 1");
    let ended = peer.ask(&format!("count {all}"));
    let took = micros(ended - began);
    println!(
        "{all} rows in the table of a fresh peer after {:.2} s, its start included: {:.0} rows/s",
        took.as_secs_f64(),
        all as f64 / took.as_secs_f64()
    );
    println!(
        "  of it until it was live {:.0} ms, until its first row {:.0} ms; at most {} MB resident",
        live.as_secs_f64() * 1e3,
        micros(first_row - began).as_secs_f64() * 1e3,
        peer.ask("peak")
    );
    steady(&first, &mut peer, (rows.min(50_000), seconds)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!(
        "resident after 10 s of rest: {} MB, its peer {} MB",
        resident("VmRSS:"),
        peer.ask("memory")
    );
    peer.stop();
    let (peer, live) = Peer::start(&home("fresh"), None);
    println!(
        "the peer with {all} rows starts again: live after {:.0} ms",
        live.as_secs_f64() * 1e3
    );
    peer.stop();
    first.close().await;
}

/// Commits one after another, each into a quiet mesh.
async fn commits(first: &Device, peer: &mut Peer) {
    let mut times = Vec::with_capacity(COMMITS);
    let mut took = Vec::with_capacity(COMMITS);
    for number in 0..COMMITS {
        let id = format!("quiet-{number}");
        let touched = now();
        let started = Instant::now();
        insert_one(first.pool(), &id, touched).await;
        took.push(started.elapsed());
        let committed = now();
        times.push(micros(peer.ask(&format!("see {id} {touched}")) - committed));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    println!(
        "commit to a row that another process sees: {}",
        percentiles(times)
    );
    println!("  the commit itself: {}", percentiles(took));
}

/// Edits at a steady rate: how far the peer lags behind, over time.
async fn steady(first: &Device, peer: &mut Peer, (rows, seconds): (usize, usize)) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / (EDITS_PER_SECOND / EDITS) as u32);
    let mut lags = Vec::new();
    let started = Instant::now();
    for tick in 0..seconds * EDITS_PER_SECOND / EDITS {
        ticks.tick().await;
        let touched = now();
        let mut transaction = first
            .pool()
            .begin_with("BEGIN IMMEDIATE")
            .await
            .expect("a transaction");
        for at in 0..EDITS {
            sqlx::query("UPDATE articles SET quantity = quantity - 1, touched = ? WHERE id = ?")
                .bind(touched)
                .bind(format!("a-{}", (tick * EDITS + at) % rows))
                .execute(&mut *transaction)
                .await
                .expect("an edit");
        }
        transaction.commit().await.expect("a commit");
        let committed = now();
        if tick % 100 == 99 {
            let id = format!("a-{}", (tick * EDITS + EDITS - 1) % rows);
            lags.push(micros(peer.ask(&format!("see {id} {touched}")) - committed));
        }
    }
    let edits = seconds * EDITS_PER_SECOND;
    println!(
        "{edits} edits, {EDITS} in a transaction, in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    let half = lags.len() / 2;
    let later = lags.split_off(half);
    println!("  lag of the peer, first half: {}", percentiles(lags));
    println!("  second half: {}", percentiles(later));
}

async fn insert_one(pool: &SqlitePool, id: &str, touched: i64) {
    let mut connection = pool.acquire().await.expect("a connection");
    insert_into(&mut connection, id, touched).await;
}

async fn insert(pool: &SqlitePool, rows: usize) {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.expect("a transaction");
    for row in 0..rows {
        insert_into(&mut transaction, &format!("a-{row}"), now()).await;
    }
    transaction.commit().await.expect("a commit");
}

async fn insert_into(connection: &mut sqlx::SqliteConnection, id: &str, touched: i64) {
    sqlx::query("INSERT INTO articles VALUES (?1, 'Article ' || ?1, '400638' || ?1, 'Groceries', 3.25, 0.18, 100, 1, ?2)")
        .bind(id)
        .bind(touched)
        .execute(connection)
        .await
        .expect("a row");
}

/// Microseconds since 1970: of one machine, so it is the same clock for both.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_micros().try_into().expect("not so late")
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    let longest = times.last().expect("some").as_secs_f64() * 1e3;
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, longest {longest:.2} ms",
        at(50),
        at(99)
    )
}

/// Megabytes of this process, where the system tells.
fn resident(kind: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(kind));
    let kilobytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0) / 1024
}
