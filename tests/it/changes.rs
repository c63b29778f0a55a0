//! What a user interface is told: row changes and queries that stay current.

use std::{sync::Arc, time::Duration};

use ditto_sync::{
    Changes, DittoAdapter, DocumentId, DocumentStore, ListenError, Origin, Query, SqliteRepository,
    SyncConfig, SyncRegistry, Watch, query::field,
};
use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    intent::{Intent, ReplicaId},
    store::{Capabilities, Cursor, Scan, StoreError, StoreIdentity, WriteOutcome},
};
use ditto_sync_testkit::{Fault, Flavor, MemoryConfig, MemoryHub, MemoryStore};
use futures_util::StreamExt;
use tokio::{sync::Semaphore, time::timeout};

use crate::devices::{PATIENCE, Pair, prepare, run};

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "notes", scope(branch))]
struct Note {
    #[ditto(id)]
    id: i64,
    branch: String,
    text: Option<String>,
    #[ditto(counter)]
    stars: i64,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "others")]
struct Other {
    #[ditto(id)]
    id: i64,
}

const SCHEMA: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY NOT NULL, branch TEXT NOT NULL, text TEXT, stars INTEGER NOT NULL);
    CREATE TABLE others (id INTEGER PRIMARY KEY NOT NULL)";
const NOTES: &str = "SELECT quote(id), quote(text), quote(stars) FROM notes ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new()
        .with::<Note>()
        .with::<Other>()
        .context("branch", "b1")
}

fn note(id: i64, text: &str, stars: i64) -> Note {
    Note {
        id,
        branch: "b1".to_owned(),
        text: Some(text.to_owned()),
        stars,
    }
}

/// The next change that tells something new: repetitions are allowed.
async fn told(changes: &mut Changes<Note>) -> (i64, Origin, Option<Note>) {
    let change = timeout(PATIENCE, changes.next()).await.expect("a change is told");
    let change = change.expect("the stream goes on").expect("a row is read");
    let id = match change.id.to_value() {
        ditto_sync::Value::Int(id) => id,
        other => panic!("the ids are integers: {other:?}"),
    };
    (id, change.origin, change.row)
}

async fn until_told(changes: &mut Changes<Note>, wanted: (i64, Origin, Option<Note>)) {
    loop {
        let change = told(changes).await;
        if change == wanted {
            return;
        }
    }
}

async fn rows(watch: &mut Watch<Note>) -> Vec<Note> {
    let rows = timeout(PATIENCE, watch.next()).await.expect("rows are told");
    rows.expect("the stream goes on").expect("the rows are read")
}

async fn until_rows(watch: &mut Watch<Note>, wanted: &[Note]) {
    while rows(watch).await != wanted {}
}

#[tokio::test]
async fn changes_of_both_sides_are_told_with_their_rows() {
    let pair = Pair::new(SCHEMA, registry).await;
    let mut left = pair.left.sync.changes::<Note>().await.expect("it listens");
    let mut right = pair.right.sync.changes::<Note>().await.expect("it listens");
    pair.on_left("INSERT INTO notes VALUES (1, 'b1', 'tea', 1)").await;
    assert_eq!(told(&mut left).await, (1, Origin::Local, Some(note(1, "tea", 1))));
    assert_eq!(
        told(&mut right).await,
        (1, Origin::Remote, Some(note(1, "tea", 1)))
    );
    pair.on_right("UPDATE notes SET stars = stars + 4").await;
    until_told(&mut right, (1, Origin::Local, Some(note(1, "tea", 5)))).await;
    until_told(&mut left, (1, Origin::Remote, Some(note(1, "tea", 5)))).await;
    pair.on_left("DELETE FROM notes").await;
    until_told(&mut left, (1, Origin::Local, None)).await;
    until_told(&mut right, (1, Origin::Remote, None)).await;
    pair.close().await;
}

/// An event is no promise of a row to come: the app reads its table with its own SQL, and finds what the event says.
#[tokio::test]
async fn f36_what_a_change_tells_is_what_a_read_finds() {
    let pair = Pair::new(SCHEMA, registry).await;
    let mut changes = pair.right.sync.changes::<Note>().await.expect("it listens");
    for stars in 1..=20 {
        let sql = format!("INSERT INTO notes VALUES ({stars}, 'b1', 'tea', {stars})");
        pair.on_left(&sql).await;
        until_told(
            &mut changes,
            (stars, Origin::Remote, Some(note(stars, "tea", stars))),
        )
        .await;
        let select = format!("SELECT quote(stars) FROM notes WHERE id = {stars}");
        assert_eq!(pair.right.rows(&select).await, [stars.to_string()]);
    }
    pair.close().await;
}

/// A connection that knows nothing of us, as another process has it, while nothing can be sent.
#[tokio::test]
async fn changes_of_foreign_connections_are_told_while_the_store_is_away() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.left.store.set_fault_hook(|_| Some(Fault::Unavailable));
    let mut changes = pair.left.sync.changes::<Note>().await.expect("it listens");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(pair.directory.path().join("left.db"));
    let foreign = sqlx::SqlitePool::connect_with(options)
        .await
        .expect("the database opens");
    run(&foreign, "INSERT INTO notes VALUES (1, 'b1', 'tea', 1)").await;
    assert_eq!(
        told(&mut changes).await,
        (1, Origin::Local, Some(note(1, "tea", 1)))
    );
    run(&foreign, "UPDATE notes SET text = 'coffee'").await;
    until_told(&mut changes, (1, Origin::Local, Some(note(1, "coffee", 1)))).await;
    run(&foreign, "UPDATE notes SET text = 'tea'").await;
    until_told(&mut changes, (1, Origin::Local, Some(note(1, "tea", 1)))).await;
    foreign.close().await;
    pair.left.store.clear_faults();
    pair.close().await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_holds_no_event_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("left.db");
    prepare(&path, &[SCHEMA]).await;
    let repository = SqliteRepository::open(&path).await.expect("the database opens");
    let gate = Arc::new(Semaphore::new(0));
    let store = SlowStore {
        store: MemoryHub::new(MemoryConfig::new(Flavor::Ditto)).store("left"),
        gate: Arc::clone(&gate),
    };
    let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
    let sync = registry().config(config).start(repository.clone(), store).await;
    let sync = sync.expect("the coordinator starts");
    let mut changes = sync.changes::<Note>().await.expect("it listens");
    run(repository.pool(), "INSERT INTO notes VALUES (1, 'b1', 'tea', 1)").await;
    assert_eq!(
        told(&mut changes).await,
        (1, Origin::Local, Some(note(1, "tea", 1)))
    );
    // By now a write hangs, or will; whichever, it stays so until the gate opens.
    for stars in 2..5 {
        run(repository.pool(), &format!("UPDATE notes SET stars = {stars}")).await;
        until_told(&mut changes, (1, Origin::Local, Some(note(1, "tea", stars)))).await;
    }
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    sync.settled(PATIENCE).await.expect("it settles");
    sync.shutdown().await.expect("a clean shutdown");
    repository.pool().close().await;
}

#[tokio::test]
async fn a_row_that_leaves_the_scope_is_told_as_gone() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO notes VALUES (1, 'b1', 'tea', 1)").await;
    pair.in_step(NOTES).await;
    let mut changes = pair.right.sync.changes::<Note>().await.expect("it listens");
    pair.on_left("UPDATE notes SET branch = 'b2'").await;
    until_told(&mut changes, (1, Origin::Remote, None)).await;
    pair.close().await;
}

#[tokio::test]
async fn a_watch_tells_the_rows_that_match_now_and_whenever_they_change() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO notes VALUES (1, 'b1', 'tea', 1), (2, 'b1', 'salt', 9)")
        .await;
    pair.in_step(NOTES).await;
    let query = Query::new(field("stars").lt(5));
    let mut watch = pair.left.sync.watch::<Note>(query).await.expect("it watches");
    assert_eq!(rows(&mut watch).await, [note(1, "tea", 1)]);
    // Neither another table nor a row that does not match is news.
    pair.on_left("INSERT INTO others VALUES (1); UPDATE notes SET text = 'pepper' WHERE id = 2")
        .await;
    pair.on_left("UPDATE notes SET stars = 2 WHERE id = 1").await;
    assert_eq!(rows(&mut watch).await, [note(1, "tea", 2)]);
    pair.on_right("UPDATE notes SET stars = 3 WHERE id = 2").await;
    until_rows(&mut watch, &[note(1, "tea", 2), note(2, "pepper", 3)]).await;
    pair.on_right("DELETE FROM notes WHERE id = 1").await;
    until_rows(&mut watch, &[note(2, "pepper", 3)]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_slow_watcher_is_told_the_newest_state_only() {
    let pair = Pair::new(SCHEMA, registry).await;
    let mut watch = pair
        .left
        .sync
        .watch::<Note>(Query::all())
        .await
        .expect("it watches");
    assert_eq!(rows(&mut watch).await, []);
    for id in 1..=50 {
        pair.on_left(&format!("INSERT INTO notes VALUES ({id}, 'b1', 'tea', 0)"))
            .await;
    }
    pair.in_step(NOTES).await;
    let all: Vec<_> = (1..=50).map(|id| note(id, "tea", 0)).collect();
    assert_eq!(rows(&mut watch).await, all, "the first thing told is the newest");
    pair.close().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO notes VALUES (1, 'b1', x'00', 1), (2, 'b1', 'salt', 2)")
        .await;
    let mut watch = pair
        .left
        .sync
        .watch::<Note>(Query::all())
        .await
        .expect("it watches");
    let first = watch.next().await.expect("the stream goes on");
    match first {
        Err(ListenError::Unreadable { id, reason }) => {
            assert_eq!(id, DocumentId::integer(1));
            assert!(reason.contains("text"), "{reason}");
        }
        other => panic!("the broken row is named first: {other:?}"),
    }
    assert_eq!(rows(&mut watch).await, [note(2, "salt", 2)]);
    let mut changes = pair.left.sync.changes::<Note>().await.expect("it listens");
    pair.on_left("UPDATE notes SET text = x'01' WHERE id = 1").await;
    let change = timeout(PATIENCE, changes.next()).await.expect("it is told");
    assert!(
        matches!(change, Some(Err(ListenError::Unreadable { .. }))),
        "{change:?}"
    );
    pair.on_left("UPDATE notes SET text = 'mended' WHERE id = 1")
        .await;
    until_told(&mut changes, (1, Origin::Local, Some(note(1, "mended", 1)))).await;
    pair.close().await;
}

#[tokio::test]
async fn streams_end_with_the_coordinator_and_refuse_what_makes_no_sense() {
    #[derive(Debug, DittoAdapter)]
    #[ditto(collection = "strangers")]
    struct Stranger {
        #[ditto(id)]
        id: i64,
    }
    let pair = Pair::new(SCHEMA, registry).await;
    let sync = &pair.left.sync;
    let stranger = sync.changes::<Stranger>().await.map(drop);
    assert!(
        matches!(stranger, Err(ListenError::UnknownModel { .. })),
        "{stranger:?}"
    );
    let unknown = sync
        .watch::<Note>(Query::new(field("colour").eq(1)))
        .await
        .map(drop);
    assert!(matches!(unknown, Err(ListenError::Query(_))), "{unknown:?}");
    let mut changes = sync.changes::<Note>().await.expect("it listens");
    let mut watch = sync.watch::<Note>(Query::all()).await.expect("it watches");
    assert_eq!(rows(&mut watch).await, []);
    pair.close().await;
    // As streams, too.
    let end = timeout(PATIENCE, async {
        (
            StreamExt::next(&mut changes).await,
            StreamExt::next(&mut watch).await,
        )
    });
    let (changes, watch) = end.await.expect("both end");
    assert!(changes.is_none() && watch.is_none());
}

/// A store whose writes wait at a gate.
struct SlowStore {
    store: MemoryStore,
    gate: Arc<Semaphore>,
}

impl DocumentStore for SlowStore {
    type Observation = <MemoryStore as DocumentStore>::Observation;

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.store.identity(replica).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let passed = self.gate.acquire().await;
        passed.expect("the gate stays").forget();
        self.store.write(intent).await
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
