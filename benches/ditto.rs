//! The Ditto store beside the bare engine, in the same run: bulk writes, increments, the way of a single edit from one database to another, and a large
//! collection being watched or met again after a restart.
//!
//! ```console
//! eval "$(scripts/fetch-ditto-engine)"
//! cargo bench --features ditto --bench ditto
//! cargo bench --features ditto --bench ditto -- --only bulk      # one topic: bulk, increments, edits, restart, watching
//! ```
#![expect(clippy::print_stdout, reason = "a bench reports")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::{
    ditto_sdk::{Ditto, DittoConfig, DittoConfigConnect, error::DittoError, logger::DittoLogger},
    prelude::*,
};
use ditto_sync_core::{
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    query::Query,
    store::{DocumentStore, Observation, WriteOutcome},
};
use ditto_sync_testkit::models::STOCK;
use serde_json::json;

const DOCUMENTS: usize = 10_000;
const ROUNDS: usize = 5;
/// A single intent is short beside what disturbs it.
const INCREMENT_ROUNDS: usize = 25;
const BATCH: usize = 1000;
/// As large as the engine takes them best.
const STATEMENT: usize = 500;
const STATEMENT_INCREMENTS: usize = 50;

fn main() {
    DittoLogger::set_logging_enabled(false);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let arguments: Vec<_> = std::env::args().collect();
    let after = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    runtime.block_on(async {
        if let Some(directory) = after(WATCH) {
            return watch(Path::new(directory)).await;
        }
        let runs = |topic: &str| after("--only").is_none_or(|only| only == topic);
        if runs("bulk") {
            bulk().await;
        }
        if runs("increments") {
            increments().await;
        }
        if runs("edits") {
            single_edits().await;
        }
        if runs("restart") {
            restart().await;
        }
        if runs("watching") {
            watching().await;
        }
    });
}

async fn open(directory: &Path) -> DittoStore {
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    let config = DittoConfig::new("ditto-sync-bench", connect).with_persistence_directory(directory);
    DittoStore::open(config).await.expect("the engine opens")
}

/// New documents, and patches of two fields, by the store and by the engine's best statements. They take turns, each round in new collections' worth of ids.
async fn bulk() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    let ditto = store.ditto().expect("it is open");
    let (mut times, mut writer) = ([const { Vec::new() }; 4], Writer::new(&store));
    for round in 0..ROUNDS {
        let ours: Vec<_> = ids(&format!("a{round}"), DOCUMENTS);
        let theirs = ids(&format!("b{round}"), DOCUMENTS);
        times[0].push(insert_bare(&ditto, &theirs).await);
        times[1].push(writer.insert(&ours).await);
        times[2].push(patch_bare(&ditto, &theirs).await);
        times[3].push(writer.patch(&ours).await);
    }
    let [bare_insert, insert, bare_patch, patch] = times.map(median);
    let rate = |time: Duration| DOCUMENTS as f64 / time.as_secs_f64();
    println!("{DOCUMENTS} documents, batches of {BATCH}, medians of {ROUNDS} rounds:");
    println!("  new, engine   {:>8.0} /s", rate(bare_insert));
    println!(
        "  new, store    {:>8.0} /s ({:.2})",
        rate(insert),
        rate(insert) / rate(bare_insert)
    );
    println!("  patch, engine {:>8.0} /s (unconditional)", rate(bare_patch));
    println!(
        "  patch, store  {:>8.0} /s ({:.2}, conditional)",
        rate(patch),
        rate(patch) / rate(bare_patch)
    );
    store.close().await;
}

async fn increments() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    let ditto = store.ditto().expect("it is open");
    let mut writer = Writer::new(&store);
    let all = ids("c", BATCH);
    writer.insert(&all).await;
    let (mut times, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..INCREMENT_ROUNDS {
        let mut operations = Vec::new();
        for ((id, document), amount) in all.iter().zip(fetched(&store, &all).await).zip(1..) {
            let action = Action::Patch {
                set: Vec::new(),
                increments: vec![("quantity".into(), amount)],
            };
            operations.push(operation(id, expect(&document), action));
        }
        let started = Instant::now();
        writer.write(operations).await;
        times.push(started.elapsed());
        bare.push(increment_bare(&ditto, &all).await);
    }
    let (time, bare) = (median(times), median(bare));
    println!(
        "{BATCH} different increments in one intent: {:.1} ms, the engine's best statements alone {:.1} ms ({:.2})",
        millis(time),
        millis(bare),
        time.as_secs_f64() / bare.as_secs_f64()
    );
    store.close().await;
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase")]
struct Row {
    #[ditto(id)]
    id: String,
    branch_id: String,
    product: Option<String>,
    #[ditto(counter)]
    quantity: i64,
    price: Option<f64>,
    note: Option<String>,
}

/// From the commit of an edit in one database to its row in another, with 10,000 rows, one edit at a time.
async fn single_edits() {
    const EDITS: usize = 200;
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("ditto")).await;
    let mut devices = Vec::new();
    for name in ["one.db", "other.db"] {
        let repository = SqliteRepository::open(directory.path().join(name))
            .await
            .expect("it opens");
        repository.create_missing_tables::<Row>().await.expect("tables");
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let registry = SyncRegistry::new().with::<Row>().config(config);
        let sync = registry
            .start(repository.clone(), store.clone())
            .await
            .expect("it starts");
        devices.push((repository, sync));
    }
    let (one, other) = (devices[0].0.pool(), devices[1].0.pool());
    let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000) \
                INSERT INTO stocks SELECT 's' || n, 'kigali-1', 'soap', n, 2.5, NULL FROM n";
    let started = Instant::now();
    sqlx::query(fill).execute(one).await.expect("it fills");
    while count(other).await < 10_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "10,000 rows from one database through Ditto to another: {:.0} ms",
        millis(started.elapsed())
    );
    // The engine's observers have their say about the 10,000 before the first edit.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut times = Vec::new();
    for at in 0..EDITS {
        let note = format!("edit {at}");
        let id = format!("s{}", at * 37 + 1);
        sqlx::query("UPDATE stocks SET note = ? WHERE id = ?")
            .bind(&note)
            .bind(&id)
            .execute(one)
            .await
            .expect("it updates");
        let started = Instant::now();
        while note_of(other, &id).await.as_ref() != Some(&note) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    times.sort_unstable();
    println!(
        "single edits at 10,000 rows, commit to applied: p50 {:.1} ms, p95 {:.1} ms",
        millis(times[EDITS / 2]),
        millis(times[EDITS * 95 / 100])
    );
    for (_, sync) in devices {
        sync.shutdown().await.expect("it stops");
    }
    store.close().await;
}

/// The start of a coordinator over 20,000 rows of which none has changed, until everything is compared, beside one look of the bare engine at all documents.
async fn restart() {
    const ROWS: i64 = 20_000;
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory.path().join("ditto")).await;
    let ditto = store.ditto().expect("it is open");
    let repository = SqliteRepository::open(directory.path().join("till.db"))
        .await
        .expect("it opens");
    repository.create_missing_tables::<Row>().await.expect("tables");
    let fill = format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) \
         INSERT INTO stocks SELECT 's' || n, 'kigali-1', 'soap', n, 2.5, NULL FROM n"
    );
    sqlx::query(sqlx::AssertSqlSafe(fill))
        .execute(repository.pool())
        .await
        .expect("it fills");
    let (mut ours, mut engine) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let started = Instant::now();
        let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        let registry = SyncRegistry::new().with::<Row>().config(config);
        let sync = registry.start(repository.clone(), store.clone()).await;
        let sync = sync.expect("it starts");
        sync.reconciled(Duration::from_secs(60))
            .await
            .expect("is compared");
        let took = started.elapsed();
        sync.settled(Duration::from_secs(60)).await.expect("settles");
        if round > 0 {
            ours.push(took);
            let skipped = sync.status().borrow().collections["stocks"].skipped_unchanged;
            assert_eq!(i64::try_from(skipped), Ok(ROWS), "nothing has changed");
        }
        sync.shutdown().await.expect("it stops");
        engine.push(read_bare(&ditto).await);
    }
    let (ours, engine) = (median(ours), median(engine));
    println!(
        "start with {ROWS} unchanged rows: {:.0} ms until compared; one look of the engine at all documents {:.0} ms, ratio {:.2}",
        millis(ours),
        millis(engine),
        ours.as_secs_f64() / engine.as_secs_f64()
    );
    store.close().await;
}

async fn count(pool: &sqlx::SqlitePool) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM stocks")
        .fetch_one(pool)
        .await;
    count.expect("it counts")
}

async fn note_of(pool: &sqlx::SqlitePool, id: &str) -> Option<String> {
    let note = sqlx::query_scalar("SELECT note FROM stocks WHERE id = ?")
        .bind(id)
        .fetch_one(pool)
        .await;
    note.expect("it reads")
}

const MANY: usize = 100_000;
/// Given to the process that watches.
const WATCH: &str = "--watch";

/// 100,000 documents observed while one changes every second. In a process of its own, as an app that starts: what filling took is not given back to the system.
async fn watching() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path()).await;
    Writer::new(&store).insert(&ids("d", MANY)).await;
    store.close().await;
    let program = std::env::current_exe().expect("this program has a path");
    let mut process = std::process::Command::new(program);
    let ended = process.arg(WATCH).arg(directory.path()).status();
    assert!(ended.expect("it starts").success(), "watching works");
}

/// One change every second by the store, then by another program.
async fn watch(directory: &Path) {
    const SECONDS: u32 = 40;
    let all = ids("d", MANY);
    let store = open(directory).await;
    // Batches as large as these filled it.
    let mut writer = Writer::after(&store, MANY.div_ceil(BATCH) as u64);
    println!("{MANY} documents: {:.0} MB resident when open", resident_mb());
    let mut observation = store
        .observe(&STOCK, &Query::all(), None)
        .await
        .expect("it observes");
    println!("  observed: {:.0} MB resident at first", resident_mb());
    let watch = tokio::spawn(async move {
        loop {
            observation.next().await.expect("it goes on");
        }
    });
    let ditto = store.ditto().expect("it is open");
    for by_store in [true, false] {
        let (cpu, started) = (cpu_time(), Instant::now());
        for second in 0..SECONDS {
            let id = &all[second as usize * 7..][..1];
            if by_store {
                writer.patch(id).await;
            } else {
                patch_bare(&ditto, id).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let share = (cpu_time() - cpu).as_secs_f64() / started.elapsed().as_secs_f64();
        let who = if by_store { "the store" } else { "another program" };
        println!(
            "  one change a second by {who}: {:.1} % of a core, {:.0} MB resident",
            share * 100.0,
            resident_mb()
        );
    }
    watch.abort();
    store.close().await;
}

/// Writes batches one after another.
struct Writer<'a> {
    store: &'a DittoStore,
    sequence: u64,
}

impl<'a> Writer<'a> {
    fn new(store: &'a DittoStore) -> Self {
        Self::after(store, 0)
    }

    fn after(store: &'a DittoStore, sequence: u64) -> Self {
        Self { store, sequence }
    }

    async fn write(&mut self, operations: Vec<Operation>) {
        self.sequence += 1;
        let batch = BatchId {
            replica: ReplicaId::from_bytes([1; 16]),
            sequence: self.sequence,
        };
        let outcome = self.store.write(&Intent { batch, operations }).await;
        assert_eq!(outcome.expect("it is answered"), WriteOutcome::Applied);
    }

    /// Only the writing is timed, not the making of intents.
    async fn insert(&mut self, ids: &[DocumentId]) -> Duration {
        let mut time = Duration::ZERO;
        for ids in ids.chunks(BATCH) {
            let inserts = ids
                .iter()
                .map(|id| operation(id, Expect::Absent, Action::Insert(stock(id))));
            let operations = inserts.collect();
            let started = Instant::now();
            self.write(operations).await;
            time += started.elapsed();
        }
        time
    }

    async fn patch(&mut self, ids: &[DocumentId]) -> Duration {
        let mut time = Duration::ZERO;
        for ids in ids.chunks(BATCH) {
            let documents = fetched(self.store, ids).await;
            let patch = |(id, document): (_, Document)| {
                let set = vec![
                    ("note".into(), format!("patch {}", self.sequence).into()),
                    ("price".into(), Value::Float(3.5)),
                ];
                let increments = Vec::new();
                operation(id, expect(&document), Action::Patch { set, increments })
            };
            let operations = ids.iter().zip(documents).map(patch).collect();
            let started = Instant::now();
            self.write(operations).await;
            time += started.elapsed();
        }
        time
    }
}

async fn fetched(store: &DittoStore, ids: &[DocumentId]) -> Vec<Document> {
    let documents = store.fetch(&STOCK, ids).await.expect("it fetches");
    documents
        .into_iter()
        .map(|document| document.expect("it is there"))
        .collect()
}

fn expect(document: &Document) -> Expect {
    let hash = STOCK.hash_of(Some(document)).expect("it fits");
    Expect::Hash(hash.expect("it is no husk"))
}

fn operation(id: &DocumentId, expect: Expect, action: Action) -> Operation {
    let (covers, sent, undo) = (None, None, Undo::Seed);
    Operation {
        model: &STOCK,
        id: id.clone(),
        expect,
        action,
        record: Record { covers, sent, undo },
    }
}

fn ids(prefix: &str, count: usize) -> Vec<DocumentId> {
    let id = |at| DocumentId::text(format!("{prefix}-{at:07}")).expect("a short id");
    (0..count).map(id).collect()
}

/// Twelve fields, of which the model has five: others travel too.
fn stock(id: &DocumentId) -> Document {
    let mut document = Document::from_iter([("id", id.to_value()), ("branchId", "kigali-1".into())]);
    for (name, value) in [
        ("product", "soap"),
        ("supplier", "Nyabugogo"),
        ("shelf", "A-17"),
        ("unit", "piece"),
        ("taxName", "B"),
        ("color", "green"),
    ] {
        document.set(name, value);
    }
    document.set("quantity", 10_i64);
    document.set("price", 2.5);
    document.set("active", true);
    document.set("note", Value::Null);
    document
}

async fn insert_bare(ditto: &Ditto, ids: &[DocumentId]) -> Duration {
    let document = |id: &DocumentId| {
        let id = id.to_string();
        json!({"_id": id, "id": id, "branchId": "kigali-1", "product": "soap", "supplier": "Nyabugogo", "shelf": "A-17", "unit": "piece",
               "taxName": "B", "color": "green", "quantity": 10, "price": 2.5, "active": true, "note": null})
    };
    array_statements(
        ditto,
        "INSERT INTO COLLECTION stocks (quantity COUNTER) DOCUMENTS (:docs)",
        ids,
        document,
    )
    .await
}

async fn patch_bare(ditto: &Ditto, ids: &[DocumentId]) -> Duration {
    let now = format!("{:?}", Instant::now());
    let document = |id: &DocumentId| json!({"_id": id.to_string(), "note": now, "price": 3.5});
    array_statements(
        ditto,
        "INSERT INTO stocks DOCUMENTS (:docs) ON ID CONFLICT DO UPDATE",
        ids,
        document,
    )
    .await
}

/// Reads all documents, as bytes.
async fn read_bare(ditto: &Ditto) -> Duration {
    let started = Instant::now();
    let bytes = ditto.store().transaction(async |transaction| {
        let result = transaction.execute("SELECT * FROM stocks").await?;
        Ok::<_, DittoError>(result.iter().map(|item| item.cbor_data().len()).sum::<usize>())
    });
    assert!(bytes.await.expect("it reads") > 0, "the documents have content");
    started.elapsed()
}

/// Adds a different amount to each document: unconditional, and noting nothing.
async fn increment_bare(ditto: &Ditto, ids: &[DocumentId]) -> Duration {
    let statement = |ids: &[DocumentId]| {
        let (mut text, mut arguments) = (
            String::from("UPDATE stocks APPLY quantity INCREMENT BY CASE _id"),
            json!({}),
        );
        for (at, id) in ids.iter().enumerate() {
            text.push_str(&format!(" WHEN :i{at} THEN :v{at}"));
            arguments[format!("i{at}")] = id.to_string().into();
            arguments[format!("v{at}")] = (at + 1).into();
        }
        text.push_str(" ELSE 0 END WHERE _id IN :ids");
        arguments["ids"] = ids.iter().map(ToString::to_string).collect();
        (text, arguments)
    };
    let statements: Vec<_> = ids.chunks(STATEMENT_INCREMENTS).map(statement).collect();
    let started = Instant::now();
    let done = ditto.store().transaction(async |transaction| {
        for statement in statements {
            transaction.execute(statement).await?;
        }
        Ok::<_, DittoError>(())
    });
    done.await.expect("the engine takes it");
    started.elapsed()
}

async fn array_statements(
    ditto: &Ditto,
    text: &str,
    ids: &[DocumentId],
    document: impl Fn(&DocumentId) -> serde_json::Value,
) -> Duration {
    let mut time = Duration::ZERO;
    for ids in ids.chunks(BATCH) {
        let arguments = ids
            .chunks(STATEMENT)
            .map(|ids| json!({ "docs": ids.iter().map(&document).collect::<Vec<_>>() }));
        let arguments: Vec<_> = arguments.collect();
        let started = Instant::now();
        let done = ditto.store().transaction(async |transaction| {
            for arguments in arguments {
                transaction.execute((text, arguments)).await?;
            }
            Ok::<_, DittoError>(())
        });
        done.await.expect("the engine takes it");
        time += started.elapsed();
    }
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// As Linux counts it, of all threads.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("Linux");
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number");
    kib / 1024.0
}
