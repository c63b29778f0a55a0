//! A till on the embedded mesh, to be started by hand in several terminals, on one machine or several of one network:
//!
//! ```console
//! cargo run --release --example till -- --name one
//! cargo run --release --example till -- --name two --join mesh1...      # the ticket that the first one prints
//! ```
//!
//! What is typed in one shows in the others. End one with `quit` or Ctrl-C, sell on, and start it again: it needs no ticket any more.
#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::{error::Error, net::SocketAddr, path::PathBuf, process::ExitCode};

use ditto_sync::{Changes, Origin, RowChange, prelude::*};
#[cfg(feature = "mdns")]
use ditto_sync::{MeshBuilder, MeshSecret};
use sqlx::SqlitePool;
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An article on the shelf.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    article: String,
    /// What several tills sell at once adds up.
    #[ditto(counter)]
    quantity: i64,
}

/// A sale at one of the tills.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "sales")]
struct Sale {
    #[ditto(id)]
    id: String,
    article: String,
    pieces: i64,
    till: String,
}

const USAGE: &str = "\
options:
  --name NAME       of this till (default: till); tills of one machine need different ones
  --join TICKET     the ticket that another till has printed; only needed once
  --dir DIRECTORY   where it keeps its files (default: one of this name among the temporary files)
  --listen ADDRESS  such as 127.0.0.1:0 (default: all addresses of this machine, at a free port)
  --mdns WORD       finds tills of the local network that are given the same word, without a ticket; needs `--features mdns`";

const COMMANDS: &str = "\
  stock ARTICLE PIECES   put pieces on the shelf
  sell ARTICLE [PIECES]  sell one, or more
  list                   what is on the shelf, here
  sales                  what was sold, anywhere
  peers                  who else is there
  ticket                 what another till needs to join
  quit";

struct Options {
    name: String,
    directory: PathBuf,
    listen: Option<SocketAddr>,
    join: Option<Ticket>,
    /// What the secret of the mesh is made of.
    #[cfg(feature = "mdns")]
    mdns: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let (mut name, mut directory, mut listen, mut join) = ("till".to_owned(), None, None, None);
        #[cfg(feature = "mdns")]
        let mut mdns = None;
        for pair in arguments.chunks(2) {
            match pair {
                [option, value] if option == "--name" => name.clone_from(value),
                [option, value] if option == "--dir" => directory = Some(value.into()),
                [option, value] if option == "--listen" => listen = Some(value.parse()?),
                [option, value] if option == "--join" => join = Some(value.parse()?),
                #[cfg(feature = "mdns")]
                [option, value] if option == "--mdns" => mdns = Some(value.clone()),
                _ => return Err(format!("`{}` is no option with a value\n{USAGE}", pair.join(" ")).into()),
            }
        }
        let directory =
            directory.unwrap_or_else(|| std::env::temp_dir().join(format!("ditto-sync-till-{name}")));
        Ok(Self {
            name,
            directory,
            listen,
            join,
            #[cfg(feature = "mdns")]
            mdns,
        })
    }
}

/// Found by tills of the local network that know the word. An app would hand out 32 random bytes: a word can be guessed.
#[cfg(feature = "mdns")]
fn found_by(word: &str, store: MeshBuilder) -> MeshBuilder {
    let mut secret = [0; 32];
    for (byte, of_word) in secret.iter_mut().zip(word.bytes()) {
        *byte = of_word;
    }
    store.secret(MeshSecret::from_bytes(secret)).mdns()
}

/// Its database, its store, and the coordinator that keeps the two in step.
struct Till {
    name: String,
    pool: SqlitePool,
    store: MeshStore,
    sync: SyncHandle,
}

impl Till {
    async fn open(options: &Options) -> Outcome<Self> {
        std::fs::create_dir_all(&options.directory)?;
        let repository = SqliteRepository::open(options.directory.join("till.db")).await?;
        repository.create_missing_tables::<Stock>().await?;
        repository.create_missing_tables::<Sale>().await?;
        let mut store = MeshStore::builder("corner-shop").directory(options.directory.join("mesh"));
        if let Some(address) = options.listen {
            store = store.listen(address);
        }
        #[cfg(feature = "mdns")]
        if let Some(word) = &options.mdns {
            store = found_by(word, store);
        }
        let store = store.open().await?;
        if let Some(ticket) = &options.join {
            store.join(ticket).await?;
        }
        let sync = SyncRegistry::new()
            .with::<Stock>()
            .with::<Sale>()
            .config(SyncConfig::adaptive().startup_delay(std::time::Duration::ZERO))
            .start(repository.clone(), store.clone())
            .await?;
        Ok(Self {
            name: options.name.clone(),
            pool: repository.pool().clone(),
            store,
            sync,
        })
    }

    /// From here on only plain SQL: the framework sees what it changes.
    async fn stock(&self, article: &str, pieces: i64) -> Outcome<()> {
        let upsert = "INSERT INTO stocks (article, quantity) VALUES (?, ?) \
                      ON CONFLICT (article) DO UPDATE SET quantity = quantity + excluded.quantity";
        sqlx::query(upsert)
            .bind(article)
            .bind(pieces)
            .execute(&self.pool)
            .await?;
        self.show(article).await
    }

    async fn sell(&self, article: &str, pieces: i64) -> Outcome<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let update = sqlx::query("UPDATE stocks SET quantity = quantity - ? WHERE article = ?");
        let done = update
            .bind(pieces)
            .bind(article)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            println!("there is no `{article}`: see `list`");
            return Ok(());
        }
        sqlx::query("INSERT INTO sales (id, article, pieces, till) VALUES (?, ?, ?, ?)")
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(article)
            .bind(pieces)
            .bind(&self.name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.show(article).await
    }

    async fn show(&self, article: &str) -> Outcome<()> {
        let select = sqlx::query_scalar("SELECT quantity FROM stocks WHERE article = ?");
        let quantity: i64 = select.bind(article).fetch_one(&self.pool).await?;
        println!("{article}: {quantity} left");
        Ok(())
    }

    async fn list(&self) -> Outcome<()> {
        let select = sqlx::query_as("SELECT article, quantity FROM stocks ORDER BY article");
        let articles: Vec<(String, i64)> = select.fetch_all(&self.pool).await?;
        println!("{} articles", articles.len());
        for (article, quantity) in articles {
            println!("  {quantity:>6} {article}");
        }
        Ok(())
    }

    async fn sales(&self) -> Outcome<()> {
        let select =
            "SELECT till, article, sum(pieces) FROM sales GROUP BY till, article ORDER BY till, article";
        let sales: Vec<(String, String, i64)> = sqlx::query_as(select).fetch_all(&self.pool).await?;
        for (till, article, pieces) in sales {
            println!("  {till} sold {pieces} {article}");
        }
        Ok(())
    }

    fn peers(&self) {
        let peers = self.store.peers();
        println!("{} known", peers.len());
        for peer in peers {
            let state = if peer.connected { "here" } else { "away" };
            println!("  {} {state}", peer.id.fmt_short());
        }
    }

    /// Whether it goes on.
    async fn carry_out(&self, line: &str) -> Outcome<bool> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["stock", article, pieces] => match pieces.parse() {
                Ok(pieces) => self.stock(article, pieces).await?,
                Err(_) => println!("`{pieces}` is no number"),
            },
            ["sell", article] => self.sell(article, 1).await?,
            ["sell", article, pieces] => match pieces.parse() {
                Ok(pieces) => self.sell(article, pieces).await?,
                Err(_) => println!("`{pieces}` is no number"),
            },
            ["list"] => self.list().await?,
            ["sales"] => self.sales().await?,
            ["peers"] => self.peers(),
            ["ticket"] => println!("{}", self.store.ticket().await?),
            ["quit"] => return Ok(false),
            _ => println!("commands:\n{COMMANDS}"),
        }
        Ok(true)
    }

    async fn close(self) -> Outcome<()> {
        self.sync.shutdown().await?;
        self.store.close().await;
        self.pool.close().await;
        println!("{} is closed", self.name);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", explained(&*error));
            ExitCode::FAILURE
        }
    }
}

/// With its causes, which errors do not repeat.
fn explained(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A till from its start to `quit`, Ctrl-C, or the end of the standard input.
pub(crate) async fn run(arguments: &[String]) -> Outcome<()> {
    let till = Till::open(&Options::parse(arguments)?).await?;
    println!("{} is open. Others join with", till.name);
    println!("--join {}", till.store.ticket().await?);
    println!("commands:\n{COMMANDS}");
    let mut stocks: Changes<Stock> = till.sync.changes().await?;
    let mut sales: Changes<Sale> = till.sync.changes().await?;
    let mut lines = lines();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let goes_on = match line {
                    Some(line) => till.carry_out(&line).await?,
                    None => false,
                };
                if !goes_on {
                    break;
                }
            }
            change = stocks.next() => show_stock(&change.ok_or("the coordinator has stopped")??),
            change = sales.next() => show_sale(&change.ok_or("the coordinator has stopped")??),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    till.close().await
}

fn show_stock(change: &RowChange<Stock>) {
    if let (Origin::Remote, Some(stock)) = (change.origin, &change.row) {
        println!("<- {}: {} left", stock.article, stock.quantity);
    }
}

fn show_sale(change: &RowChange<Sale>) {
    if let (Origin::Remote, Some(sale)) = (change.origin, &change.row) {
        println!("<- {} sold {} {}", sale.till, sale.pieces, sale.article);
    }
}

/// The lines of the standard input, until it is closed.
fn lines() -> mpsc::Receiver<String> {
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
