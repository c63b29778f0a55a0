//! What an app on the mesh is told of its peers: that a change has reached one, and that a change of its own gave way to one of theirs.

use std::{path::Path, time::Duration};

use ditto_sync::{
    ColumnValue, ConflictKind, DittoAdapter, DocumentId, MeshStore, Receipt, SqliteRepository, SyncConfig,
    SyncEvent, SyncHandle, SyncRegistry,
};
use sqlx::{AssertSqlSafe, SqlitePool};

const PATIENCE: Duration = Duration::from_secs(60);
const SCHEMA: &str = "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, note TEXT NOT NULL)";

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    note: String,
}

struct Device {
    pool: SqlitePool,
    store: MeshStore,
    sync: SyncHandle,
}

async fn store(directory: &Path, name: &str) -> MeshStore {
    let builder = MeshStore::builder("told").directory(directory.join(format!("{name}.mesh")));
    let address = "127.0.0.1:0".parse().expect("an address");
    builder.listen(address).open().await.expect("the store opens")
}

impl Device {
    async fn start(directory: &Path, name: &str) -> Self {
        let file = directory.join(format!("{name}.db"));
        let repository = SqliteRepository::open(&file).await.expect("the database opens");
        let pool = repository.pool().clone();
        if sqlx::query("SELECT 1 FROM stocks")
            .fetch_optional(&pool)
            .await
            .is_err()
        {
            sqlx::raw_sql(SCHEMA)
                .execute(&pool)
                .await
                .expect("the table is made");
        }
        let store = store(directory, name).await;
        let sync = SyncRegistry::new()
            .with::<Stock>()
            .config(SyncConfig::default().startup_delay(Duration::ZERO))
            .start(repository, store.clone())
            .await
            .expect("it starts");
        Self { pool, store, sync }
    }

    async fn run(&self, sql: &str) {
        let sql = sql.to_owned();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&self.pool)
            .await
            .expect("the statement is fine");
        self.sync.settled(PATIENCE).await.expect("the store takes it");
    }

    async fn stop(self) {
        self.sync.shutdown().await.expect("it stops");
        self.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_hears_that_a_peer_holds_its_change_and_that_one_gave_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = Device::start(directory.path(), "one").await;
    let other = Device::start(directory.path(), "other").await;
    let id = DocumentId::text("s").expect("a short id");
    one.run("INSERT INTO stocks VALUES ('s', 'new')").await;
    let receipt = one.sync.receipt("stocks", &id).await.expect("it is known");
    assert!(
        matches!(receipt, Receipt::Stored { .. }),
        "nobody has it yet: {receipt:?}"
    );
    let ticket = one.store.ticket().await.expect("it listens");
    other.store.join(&ticket).await.expect("it joins");
    let reached = async {
        while !matches!(one.sync.receipt("stocks", &id).await, Ok(Receipt::Peer { .. })) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("the peer confirms it");

    // Apart, the other is the busier one, so its value wins by Loro's clock.
    other.stop().await;
    one.run("UPDATE stocks SET note = 'mine'").await;
    one.stop().await;
    let other = Device::start(directory.path(), "other").await;
    for edit in 0..6 {
        other
            .run(&format!("UPDATE stocks SET note = 'theirs {edit}'"))
            .await;
    }
    let one = Device::start(directory.path(), "one").await;
    let mut events = one.sync.events();
    let told = async {
        loop {
            match events.next().await.expect("the coordinator runs") {
                SyncEvent::Conflict(conflict) if conflict.kind == ConflictKind::LocalOverwritten => {
                    return conflict;
                }
                _ => {}
            }
        }
    };
    let conflict = tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    let field = &conflict.fields[0];
    assert_eq!((conflict.id, field.field), (id, "note"));
    assert_eq!(field.local, Some(ColumnValue::Text("mine".to_owned())));
    assert_eq!(field.remote, Some(ColumnValue::Text("theirs 5".to_owned())));
    one.stop().await;
    other.stop().await;
}
