//! A device in a process of its own, killed with SIGKILL between the store's commit and its acknowledgement, and at random times. Database and
//! engine are files of that process; whatever is killed, increments count once.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use ditto_sync::prelude::*;
use ditto_sync_core::{
    descriptor::ModelDescriptor,
    intent::{Intent, ReplicaId},
    query::Query,
    store::{Capabilities, Cursor, DocumentStore, Scan, StoreError, StoreIdentity, WriteOutcome},
};

use crate::model::{Device, PATIENCE, in_step, open_store};

/// Which test is the process, as `--exact` wants it.
const TEST: &str = "kill::device_process";
const DIRECTORY: &str = "DITTO_SYNC_DITTO_KILL_DIRECTORY";
/// Set where the process stops between commit and acknowledgement.
const HESITATE: &str = "DITTO_SYNC_DITTO_KILL_HESITATE";
const KILLS: u64 = 12;

/// A store that commits an increment, says so in a file, and never answers.
struct Hesitant {
    store: DittoStore,
    committed: Option<PathBuf>,
}

impl DocumentStore for Hesitant {
    type Observation = <DittoStore as DocumentStore>::Observation;

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.store.identity(replica).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let before = self.store.identity(intent.batch.replica).await?.last_applied;
        let outcome = self.store.write(intent).await?;
        // What an earlier life has committed is answered; the next batch is not.
        let fresh = before.is_none_or(|before| before < intent.batch.sequence);
        if let Some(committed) = self
            .committed
            .as_ref()
            .filter(|_| fresh && outcome == WriteOutcome::Applied)
        {
            std::fs::write(committed, "").expect("a file can be written");
            std::future::pending::<()>().await;
        }
        Ok(outcome)
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.store.fetch(model, ids).await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        self.store.scan(model, query).await
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<Self::Observation, StoreError> {
        self.store.observe(model, query, cursor).await
    }
}

fn ditto_of(directory: &Path) -> PathBuf {
    directory.join("ditto")
}

fn database_of(directory: &Path) -> PathBuf {
    directory.join("device.db")
}

fn committed_of(directory: &Path) -> PathBuf {
    directory.join("committed")
}

/// Not a test of its own: the process that is killed. A no-op otherwise.
#[tokio::test]
async fn device_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    let committed = std::env::var_os(HESITATE).map(|_| committed_of(&directory));
    let store = open_store(&ditto_of(&directory)).await;
    let device = Device::start(&database_of(&directory), Hesitant { store, committed }).await;
    // Far more than any life lasts; should the parent be gone, it ends.
    for _ in 0..20_000 {
        device
            .run("BEGIN; UPDATE stocks SET quantity = quantity - 1 WHERE id = 's1'; INSERT INTO journal DEFAULT VALUES; COMMIT")
            .await;
    }
}

/// The process; killed when dropped.
struct Doomed(Child);

impl Doomed {
    fn start(directory: &Path, hesitate: bool) -> Self {
        let log = std::fs::File::create(directory.join("log")).expect("a file for its output");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["--exact", TEST, "--nocapture"])
            .env(DIRECTORY, directory)
            .stdout(log.try_clone().expect("the same file"))
            .stderr(log);
        if hesitate {
            command.env(HESITATE, "1");
        }
        Self(command.spawn().expect("the process starts"))
    }

    fn assert_alive(&mut self, directory: &Path) {
        if let Some(status) = self.0.try_wait().expect("the process can be asked") {
            let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            panic!("the device ended by itself ({status}): {log}");
        }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        // SIGKILL. A process that has ended already is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn increments_stay_exact_whenever_the_process_is_killed() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let directory = directory.path();
    prepare(directory).await;
    for round in 0..KILLS {
        let hesitate = round % 2 == 0;
        let before = journal(directory).await;
        let mut process = Doomed::start(directory, hesitate);
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            process.assert_alive(directory);
            let ripe = if hesitate {
                committed_of(directory).exists()
            } else {
                // Later and later in its life.
                journal(directory).await > before + 3 * i64::try_from(round).expect("a small number")
            };
            if ripe {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the device does nothing");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(process);
        // Of a random kill there is none.
        let _ = std::fs::remove_file(committed_of(directory));
    }
    check(directory).await;
}

async fn prepare(directory: &Path) {
    let store = open_store(&ditto_of(directory)).await;
    let device = Device::start(&database_of(directory), store.clone()).await;
    device
        .run("CREATE TABLE journal (number INTEGER PRIMARY KEY); INSERT INTO stocks VALUES ('s1', 'soap', 1, 0, '[]', NULL)")
        .await;
    device.settle().await;
    device.stop().await;
    store.close().await;
}

/// How many increments the app has committed.
async fn journal(directory: &Path) -> i64 {
    let options = SqliteRepository::connect_options(database_of(directory)).read_only(true);
    let pool = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("the database opens");
    let count = sqlx::query_scalar("SELECT count(*) FROM journal")
        .fetch_one(&pool)
        .await;
    pool.close().await;
    count.expect("the journal can be read")
}

async fn check(directory: &Path) {
    let store = open_store(&ditto_of(directory)).await;
    let device = Device::start(&database_of(directory), store.clone()).await;
    device.settle().await;
    let count = journal(directory).await;
    assert!(count > 20, "{count} increments: the devices did nothing");
    // A device that knows nothing but the documents.
    let other = Device::start(&directory.join("other.db"), store.clone()).await;
    let rows = in_step(&device, &other).await;
    assert_eq!(rows, [format!("'s1''soap'1.0-{count}'[]'NULL")]);
    device.stop().await;
    other.stop().await;
    store.close().await;
}
