//! Two tills, each a process with a SQLite file of its own, kept in step by the embedded mesh: this program is the first till, and starts itself again as the second.
//!
//! ```console
//! cargo run --release --example quickstart
//! ```
//!
//! The tills meet over QUIC on loopback, encrypted; no server, no license, nothing leaves the machine. Each is what any app is: SQL on its own tables, and the four
//! lines of `Till::open`. To play with two tills by hand see the example `till`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ditto_sync::{Origin, prelude::*};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An article on the shelf. Only the app's code and its SQL know it; the framework needs no more than this.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    product: String,
    price: f64,
    /// What both tills sell at once adds up.
    #[ditto(counter)]
    quantity: i64,
}

/// A sale at one of the tills.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "sales")]
struct Sale {
    #[ditto(id)]
    id: String,
    stock_id: String,
    till: String,
    pieces: i64,
}

const ARTICLES: usize = 500;
/// Sales whose way to the other till is measured, one after another.
const MEASURED: usize = 200;
/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A till: its database, its store, and the coordinator that keeps the two in step.
struct Till {
    name: &'static str,
    repository: SqliteRepository,
    store: MeshStore,
    sync: SyncHandle,
}

impl Till {
    async fn open(name: &'static str, directory: &Path) -> Outcome<Self> {
        let repository = SqliteRepository::open(database(name, directory)).await?;
        repository.create_missing_tables::<Stock>().await?;
        repository.create_missing_tables::<Sale>().await?;
        // On loopback only; an app leaves `listen` out and is reached from the whole network.
        let store = MeshStore::builder("my-shop")
            .directory(directory.join(format!("{name}.mesh")))
            .listen("127.0.0.1:0".parse()?)
            .open()
            .await?;
        // An app leaves the delay as it is, so that its own start comes first.
        let sync = SyncRegistry::discover()?
            .config(SyncConfig::adaptive().startup_delay(Duration::ZERO))
            .start(repository.clone(), store.clone())
            .await?;
        Ok(Self {
            name,
            repository,
            store,
            sync,
        })
    }

    /// Plain SQL, in a transaction, as any till would.
    async fn sell(&self, stock: &str, pieces: i64) -> Outcome<String> {
        let sale = uuid::Uuid::new_v4().to_string();
        let mut transaction = self.repository.pool().begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO sales (id, stock_id, till, pieces) VALUES (?, ?, ?, ?)")
            .bind(&sale)
            .bind(stock)
            .bind(self.name)
            .bind(pieces)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE stocks SET quantity = quantity - ? WHERE id = ?")
            .bind(pieces)
            .bind(stock)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(sale)
    }

    async fn close(self) -> Outcome<()> {
        self.sync.shutdown().await?;
        self.store.close().await;
        self.repository.pool().close().await;
        Ok(())
    }
}

fn database(name: &str, directory: &Path) -> PathBuf {
    directory.join(format!("{name}.db"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match std::env::args_os().nth(1) {
        None => tokio::select! {
            outcome = first_till() => outcome,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        },
        // Only `SecondTill::start` gives an argument.
        Some(directory) => second_till(Path::new(&directory)).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not in step: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn first_till() -> Outcome<()> {
    // Removed with everything in it when this function ends, however it ends.
    let directory = tempfile::tempdir()?;
    let ours = Till::open("till-1", directory.path()).await?;
    stock_up(ours.repository.pool()).await?;
    println!("Till 1 is open, with {ARTICLES} articles in stock.");

    let mut theirs = SecondTill::start(directory.path())?;
    theirs
        .tell(&format!("join {}", ours.store.ticket().await?))
        .await?;
    in_step(directory.path()).await?;
    println!("Till 2, another process, has joined with a ticket and has them too.");

    ours.sell("s-1", 2).await?;
    theirs.tell("sell s-1 3").await?;
    in_step(directory.path()).await?;
    let left = quantity(ours.repository.pool(), "s-1").await?;
    println!("Both sold of article 1 at the same time: {left} are left of 100.");
    expect(left == 95, "both sales of article 1 count")?;

    theirs.stop().await?;
    ours.sell("s-2", 1).await?;
    theirs = SecondTill::start(directory.path())?;
    in_step(directory.path()).await?;
    println!("Till 2 was off for a while; what it missed has arrived.");

    let times = measure(&ours, &mut theirs).await?;
    let rows = in_step(directory.path()).await?;
    theirs.stop().await?;
    ours.close().await?;
    let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100].as_secs_f64() * 1000.0);
    println!("in step: {rows} rows on 2 peers, commit to peer p50 {p50:.1} ms p99 {p99:.1} ms");
    Ok(())
}

/// How long sales take from their commit here to a row there, shortest first. One after another, so that it is the time of a quiet shop.
async fn measure(ours: &Till, theirs: &mut SecondTill) -> Outcome<Vec<Duration>> {
    let mut times = Vec::with_capacity(MEASURED);
    for number in 1..=MEASURED {
        let sale = ours.sell(&format!("s-{number}"), 1).await?;
        let committed = SystemTime::now();
        let seen = theirs.has_seen(&sale).await?;
        times.push(seen.duration_since(committed).unwrap_or_default());
    }
    times.sort_unstable();
    Ok(times)
}

/// The second till as the first one sees it: a process that takes orders on its standard input and ends when that is closed, whatever becomes of the first.
struct SecondTill {
    process: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl SecondTill {
    fn start(directory: &Path) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (orders, reports) = pipes.ok_or("till 2 has no pipes")?;
        Ok(Self {
            process,
            orders,
            reports: BufReader::new(reports).lines(),
        })
    }

    async fn tell(&mut self, order: &str) -> Outcome<()> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        Ok(())
    }

    /// When this sale was in the table of the second till.
    async fn has_seen(&mut self, sale: &str) -> Outcome<SystemTime> {
        timeout(PATIENCE, async {
            while let Some(report) = self.reports.next_line().await? {
                if let Some((id, micros)) = report.split_once(' ')
                    && id == sale
                {
                    return Ok(UNIX_EPOCH + Duration::from_micros(micros.parse()?));
                }
            }
            Err("till 2 has ended".into())
        })
        .await
        .map_err(|_| format!("the sale {sale} did not reach till 2"))?
    }

    async fn stop(mut self) -> Outcome<()> {
        drop(self.orders);
        // It may still report what it has seen, and must not wait for somebody to read it.
        let drain = async { while let Ok(Some(_)) = self.reports.next_line().await {} };
        let (ended, ()) = timeout(PATIENCE, async { tokio::join!(self.process.wait(), drain) })
            .await
            .map_err(|_| "till 2 does not end")?;
        expect(ended?.success(), "till 2 ends well")
    }
}

/// The process of the second till: does what it is told, and tells when a sale of the first one has come into its table.
async fn second_till(directory: &Path) -> Outcome<()> {
    let till = Till::open("till-2", directory).await?;
    let mut changes = till.sync.changes::<Sale>().await?;
    let mut orders = orders();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return till.close().await,
                Some(order) => carry_out(&till, &order).await?,
            },
            change = changes.next() => {
                let change = change.ok_or("the coordinator has stopped")??;
                if change.origin == Origin::Remote {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
                    println!("{} {}", change.id, now.as_micros());
                }
            }
        }
    }
}

async fn carry_out(till: &Till, order: &str) -> Outcome<()> {
    match order.split(' ').collect::<Vec<_>>()[..] {
        ["join", ticket] => till.store.join(&ticket.parse()?).await?,
        ["sell", stock, pieces] => drop(till.sell(stock, pieces.parse()?).await?),
        _ => return Err(format!("till 2 does not know what `{order}` is").into()),
    }
    Ok(())
}

/// The lines of the standard input, until it is closed.
fn orders() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(16);
    // A thread that nobody waits for: a read of the standard input cannot be given up.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receive
}

async fn stock_up(pool: &SqlitePool) -> Outcome<()> {
    let mut transaction = pool.begin().await?;
    for number in 1..=ARTICLES {
        sqlx::query("INSERT INTO stocks (id, product, price, quantity) VALUES (?, ?, ?, 100)")
            .bind(format!("s-{number}"))
            .bind(format!("Article {number}"))
            .bind(0.99 + f64::from(u16::try_from(number)?))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn quantity(pool: &SqlitePool, stock: &str) -> Outcome<i64> {
    let select = "SELECT quantity FROM stocks WHERE id = ?";
    Ok(sqlx::query_scalar(select).bind(stock).fetch_one(pool).await?)
}

/// Waits until the files of both tills hold the same rows; how many.
async fn in_step(directory: &Path) -> Outcome<usize> {
    let started = Instant::now();
    loop {
        // A file that the second till is just making cannot be read yet.
        let (ours, theirs) = (rows("till-1", directory).await?, rows("till-2", directory).await);
        match theirs {
            Ok(theirs) if ours == theirs => return Ok(ours.len()),
            _ if started.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(5)).await,
            Ok(theirs) => {
                let (ours, theirs) = (ours.len(), theirs.len());
                return Err(format!("till 1 has {ours} rows, till 2 has {theirs}, not all the same").into());
            }
            Err(error) => return Err(format!("the file of till 2 cannot be read: {error}").into()),
        }
    }
}

/// Every row of a till's file, as SQL literals, so that types are compared too.
async fn rows(name: &str, directory: &Path) -> Outcome<Vec<String>> {
    let options = SqliteConnectOptions::new()
        .filename(database(name, directory))
        .read_only(true);
    let pool = SqlitePool::connect_with(options).await?;
    let select = "SELECT quote(id) || quote(product) || quote(price) || quote(quantity) FROM stocks UNION ALL \
                  SELECT quote(id) || quote(stock_id) || quote(till) || quote(pieces) FROM sales ORDER BY 1";
    let rows = sqlx::query_scalar(select).fetch_all(&pool).await;
    pool.close().await;
    Ok(rows?)
}

fn expect(holds: bool, what: &str) -> Outcome<()> {
    if holds {
        Ok(())
    } else {
        Err(format!("expected that {what}").into())
    }
}
