//! Devices in processes of their own, killed with SIGKILL at random times and started again, that meet over QUIC on loopback. In the end all hold the same, and
//! exactly what was committed: every counter is the sum of all increments, and every note is as its owner left it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};

use crate::{
    device::{self, QUANTITY, STOCKS, database},
    process::{PATIENCE, Process, say},
};

/// How many kills in all, of each test; more than the default takes longer.
const KILLS: &str = "DITTO_SYNC_MESH_KILLS";
const SEED: &str = "DITTO_SYNC_MESH_SEED";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

/// What one device's file holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// The mapped tables.
    stocks: BTreeMap<String, i64>,
    notes: BTreeSet<Note>,
    /// What its app has committed.
    increments: Vec<(String, i64)>,
    own_notes: BTreeSet<Note>,
}

type Note = (String, String, String, Option<i64>);

async fn held(directory: &Path, name: &str) -> Result<Held, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(database(directory, name))
        .read_only(true);
    let pool = SqlitePool::connect_with(options).await?;
    let stocks: Vec<_> = sqlx::query_as("SELECT id, quantity FROM stocks")
        .fetch_all(&pool)
        .await?;
    let notes: Vec<_> = sqlx::query_as("SELECT * FROM notes").fetch_all(&pool).await?;
    let own_notes: Vec<_> = sqlx::query_as("SELECT * FROM oracle_notes")
        .fetch_all(&pool)
        .await?;
    let increments = sqlx::query_as("SELECT stock, sum(quantity) FROM increments GROUP BY stock");
    let held = Held {
        stocks: stocks.into_iter().collect(),
        notes: notes.into_iter().collect(),
        increments: increments.fetch_all(&pool).await?,
        own_notes: own_notes.into_iter().collect(),
    };
    pool.close().await;
    Ok(held)
}

/// What every device has to hold, from what all of them have committed.
fn expected(devices: &[Held]) -> (BTreeMap<String, i64>, BTreeSet<Note>) {
    let mut stocks: BTreeMap<String, i64> = (0..STOCKS).map(|at| (format!("stock-{at}"), QUANTITY)).collect();
    for (stock, quantity) in devices.iter().flat_map(|device| &device.increments) {
        *stocks
            .get_mut(stock)
            .expect("increments of stocks that there are") += quantity;
    }
    let notes = devices.iter().flat_map(|device| device.own_notes.clone());
    (stocks, notes.collect())
}

fn ticket(device: &mut Process) -> String {
    device.hear("its ticket", |line| {
        Some(line.strip_prefix("ticket ")?.to_owned())
    })
}

/// Starts and kills one device again and again; the last time not before it has counted something.
fn live_and_die(directory: &Path, name: &str, neighbour: Option<&str>, (kills, seed): (u64, u64)) {
    let mut random = fastrand::Rng::with_seed(seed);
    for left in (0..kills).rev() {
        let mut device = device::start(directory, name, neighbour, Some(random.u64(..)));
        if left == 0 {
            hear(&mut device, "counted");
        } else if random.u32(..4) == 0 {
            // While it starts.
            std::thread::sleep(Duration::from_millis(random.u64(..80)));
        } else {
            hear(&mut device, "ready");
            std::thread::sleep(Duration::from_millis(random.u64(..700)));
        }
        device.kill();
    }
}

fn hear(device: &mut Process, word: &str) {
    device.hear(word, |line| (line == word).then_some(()));
}

/// Puts the articles on the shelf of the first device. One device only: to insert a row twice is two rows of which one wins.
async fn stock_up(directory: &Path, name: &str) {
    let options = SqliteConnectOptions::new().filename(database(directory, name));
    let pool = SqlitePool::connect_with(options).await.expect("its database");
    for at in 0..STOCKS {
        sqlx::query("INSERT INTO stocks VALUES (?, ?)")
            .bind(format!("stock-{at}"))
            .bind(QUANTITY)
            .execute(&pool)
            .await
            .expect("an article");
    }
    pool.close().await;
}

/// Waits until all hold what was committed; the difference, if they never do.
async fn converge(directory: &Path, names: &[String]) -> Vec<Held> {
    let started = Instant::now();
    loop {
        let mut devices = Vec::new();
        for name in names {
            devices.push(held(directory, name).await.expect("its file can be read"));
        }
        let (stocks, notes) = expected(&devices);
        let in_step = |device: &&Held| device.stocks == stocks && device.notes == notes;
        if devices.iter().filter(in_step).count() == devices.len() {
            return devices;
        }
        if started.elapsed() > PATIENCE {
            for (name, device) in names.iter().zip(&devices) {
                assert_eq!(device.stocks, stocks, "the counters of {name}");
                assert_eq!(device.notes, notes, "the notes of {name}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn kill_and_converge(devices: usize, kills: u64) {
    let (kills, seed) = (number(KILLS, kills), number(SEED, 7));
    say(&format!(
        "{SEED}={seed} repeats the choices, {KILLS} says how many kills"
    ));
    let directory = tempfile::tempdir().expect("a directory");
    let names: Vec<String> = (0..devices).map(|at| format!("device-{at}")).collect();
    // All get to know a neighbour once. From then on each has to find the others by what it remembers, and by whom it hears of.
    let mut tickets: Vec<String> = Vec::new();
    let mut first: Vec<Process> = Vec::new();
    for name in &names {
        let neighbour = tickets.last().map(String::as_str);
        let mut device = device::start(directory.path(), name, neighbour, None);
        tickets.push(ticket(&mut device));
        first.push(device);
    }
    for device in &mut first {
        hear(device, "ready");
    }
    stock_up(directory.path(), &names[0]).await;
    converge(directory.path(), &names).await;
    first.into_iter().for_each(Process::kill);

    let each = kills.div_ceil(devices as u64);
    std::thread::scope(|scope| {
        for (name, at) in names.iter().zip(0..) {
            let neighbour = (at > 0).then(|| tickets[at as usize - 1].as_str());
            let directory = directory.path();
            scope.spawn(move || live_and_die(directory, name, neighbour, (each, seed * 1000 + at)));
        }
    });

    let mut survivors: Vec<Process> = Vec::new();
    let mut neighbour: Option<String> = None;
    for name in &names {
        let mut device = device::start(directory.path(), name, neighbour.as_deref(), None);
        neighbour = Some(ticket(&mut device));
        survivors.push(device);
    }
    let held = converge(directory.path(), &names).await;
    survivors.into_iter().for_each(Process::stop);
    let worked = |device: &&Held| !device.increments.is_empty() && !device.own_notes.is_empty();
    assert_eq!(
        held.iter().filter(worked).count(),
        devices,
        "devices that did something"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_killed_processes_lose_nothing_and_double_nothing() {
    kill_and_converge(2, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_killed_processes_lose_nothing_and_double_nothing() {
    kill_and_converge(8, 64).await;
}
