//! A till on Ditto, with your own credentials: run it on several machines, or in several directories, and sell.
//!
//! ```console
//! DITTO_DATABASE_ID=.. DITTO_LICENSE=.. cargo run --release --features ditto --example ditto -- till-1
//! DITTO_DATABASE_ID=.. DITTO_AUTH_URL=https://.. DITTO_TOKEN=.. cargo run --release --features ditto --example ditto -- till-1
//! ```
//!
//! The first is for devices that meet directly, with an offline license token; the second for a Ditto server, with the token of its
//! development provider. Without any of them nothing leaves this machine: two tills share one local engine, and the program says so.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its user"
)]

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use ditto_sync::{
    ditto_sdk::{
        Ditto, DittoConfig, DittoConfigConnect, auth::get_development_provider, logger::DittoLogger,
    },
    prelude::*,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An article on the shelf.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(
    collection = "ditto_sync_example_stocks",
    table = "stocks",
    rename_all = "camelCase"
)]
struct Stock {
    #[ditto(id)]
    id: String,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
}

const PATIENCE: Duration = Duration::from_secs(60);
/// How long a till with credentials stays open.
const OPEN: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    DittoLogger::set_logging_enabled(false);
    let outcome = match Credentials::of_environment() {
        Ok(Some(credentials)) => one_till(&credentials).await,
        Ok(None) => two_tills_on_this_machine().await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ditto: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What Ditto wants to know before it talks to others.
struct Credentials {
    database: String,
    /// Of a Ditto server, and the token of its development provider.
    server: Option<(String, String)>,
    /// For devices that meet directly.
    license: Option<String>,
}

impl Credentials {
    fn of_environment() -> Outcome<Option<Self>> {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(database) = told("DITTO_DATABASE_ID") else {
            return Ok(None);
        };
        let server = told("DITTO_AUTH_URL").zip(told("DITTO_TOKEN"));
        let license = told("DITTO_LICENSE");
        if server.is_none() && license.is_none() {
            return Err(
                "beside DITTO_DATABASE_ID set DITTO_LICENSE, or DITTO_AUTH_URL and DITTO_TOKEN".into(),
            );
        }
        Ok(Some(Self {
            database,
            server,
            license,
        }))
    }

    /// An engine that talks to others.
    async fn open(&self, directory: &Path) -> Outcome<Ditto> {
        let connect = match &self.server {
            Some((url, _)) => DittoConfigConnect::Server { url: url.parse()? },
            None => DittoConfigConnect::SmallPeersOnly { private_key: None },
        };
        let config = DittoConfig::new(self.database.as_str(), connect).with_persistence_directory(directory);
        let ditto = Ditto::open(config).await?;
        if let Some(license) = &self.license {
            ditto.set_offline_only_license_token(license)?;
        }
        if let (Some((_, token)), Some(auth)) = (&self.server, ditto.auth()) {
            let token = token.clone();
            auth.set_expiration_handler(move |ditto: &Ditto, _| {
                let auth = ditto.auth();
                let token = token.clone();
                async move {
                    let login = auth.map(|auth| auth.login(&token, &get_development_provider()));
                    if let Some(Err(error)) = login {
                        eprintln!("Ditto refuses the token: {error}");
                    }
                }
            });
        }
        ditto.sync().start()?;
        Ok(ditto)
    }
}

/// A till that meets others through Ditto.
async fn one_till(credentials: &Credentials) -> Outcome<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "till-1".into());
    // The engine would take a relative path for one beside the executable.
    let directory = std::env::current_dir()?.join(&name);
    std::fs::create_dir_all(&directory)?;
    // Your own Ditto, with the identity, transports and authentication that your app uses.
    let store = DittoStore::new(credentials.open(&directory.join("ditto")).await?).await?;
    let till = Till::open(directory.join("till.db"), store.clone()).await?;
    till.stock_up().await?;
    till.sell("s1", 1).await?;
    println!(
        "{name} is open for {} seconds and has sold one s1.",
        OPEN.as_secs()
    );
    let (opened, mut shown) = (Instant::now(), Vec::new());
    while opened.elapsed() < OPEN {
        let shelf = till.shelf().await?;
        if shelf != shown {
            println!(
                "{shelf:?}; {} peers in sight",
                store.ditto()?.presence().graph().remote_peers.len()
            );
            shown = shelf;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    till.close().await?;
    store.close().await;
    Ok(())
}

/// Two tills that share one engine, because two engines need a license to meet.
async fn two_tills_on_this_machine() -> Outcome<()> {
    println!("No credentials: nothing leaves this machine. Two tills share one local Ditto engine.");
    println!(
        "For the real thing set DITTO_DATABASE_ID, and DITTO_LICENSE or DITTO_AUTH_URL and DITTO_TOKEN."
    );
    let directory = tempfile::tempdir()?;
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    let config = DittoConfig::new("ditto-sync-example", connect);
    let store = DittoStore::open(config.with_persistence_directory(directory.path().join("ditto"))).await?;
    let first = Till::open(directory.path().join("till-1.db"), store.clone()).await?;
    let second = Till::open(directory.path().join("till-2.db"), store.clone()).await?;
    first.stock_up().await?;
    in_step(&first, &second).await?;
    println!(
        "Till 1 stocked up; till 2 has it too: {:?}",
        second.shelf().await?
    );
    first.sell("s1", 2).await?;
    second.sell("s1", 3).await?;
    in_step(&first, &second).await?;
    println!(
        "Both sold s1 at once, and both sales count: {:?}",
        first.shelf().await?
    );
    first.close().await?;
    second.close().await?;
    store.close().await;
    println!("in step");
    Ok(())
}

/// A database and its coordinator.
struct Till {
    repository: SqliteRepository,
    sync: SyncHandle,
}

impl Till {
    async fn open(file: PathBuf, store: DittoStore) -> Outcome<Self> {
        let repository = SqliteRepository::open(file).await?;
        repository.create_missing_tables::<Stock>().await?;
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let sync = SyncRegistry::discover()?
            .config(config)
            .start(repository.clone(), store)
            .await?;
        Ok(Self { repository, sync })
    }

    /// Only what is not there yet.
    async fn stock_up(&self) -> Outcome<()> {
        let insert =
            "INSERT INTO stocks VALUES ('s1', 'Coffee', 100), ('s2', 'Tea', 100) ON CONFLICT DO NOTHING";
        sqlx::query(insert).execute(self.repository.pool()).await?;
        Ok(())
    }

    async fn sell(&self, id: &str, pieces: i64) -> Outcome<()> {
        let update = "UPDATE stocks SET quantity = quantity - ? WHERE id = ?";
        sqlx::query(update)
            .bind(pieces)
            .bind(id)
            .execute(self.repository.pool())
            .await?;
        self.sync.settled(PATIENCE).await?;
        Ok(())
    }

    async fn shelf(&self) -> Outcome<Vec<(String, i64)>> {
        let select = "SELECT id, quantity FROM stocks ORDER BY id";
        Ok(sqlx::query_as(select).fetch_all(self.repository.pool()).await?)
    }

    async fn close(self) -> Outcome<()> {
        self.sync.shutdown().await?;
        self.repository.pool().close().await;
        Ok(())
    }
}

async fn in_step(first: &Till, second: &Till) -> Outcome<()> {
    let started = Instant::now();
    while first.shelf().await? != second.shelf().await? || first.shelf().await?.is_empty() {
        if started.elapsed() > PATIENCE {
            return Err("the tills are not in step".into());
        }
        first.sync.settled(PATIENCE).await?;
        second.sync.settled(PATIENCE).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
