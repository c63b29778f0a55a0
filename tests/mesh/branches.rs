//! Tills of several branches, each of which takes the rows of its own, and a device that holds all of them between: rows that change their branch in SQL.

use std::{path::Path, time::Duration};

use ditto_sync::{DittoAdapter, Interest, MeshStore, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use sqlx::{AssertSqlSafe, SqlitePool};

const PATIENCE: Duration = Duration::from_secs(60);
const SCHEMA: &str = "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL, note TEXT NOT NULL, quantity INTEGER NOT NULL)";

#[derive(DittoAdapter)]
#[ditto(collection = "stocks", scope(branch))]
struct Stock {
    #[ditto(id)]
    id: String,
    branch: String,
    note: String,
    #[ditto(counter)]
    quantity: i64,
}

struct Till {
    pool: SqlitePool,
    store: MeshStore,
    sync: SyncHandle,
}

async fn store(directory: &Path, name: &str, interest: Interest) -> MeshStore {
    let builder = MeshStore::builder("branches").directory(directory.join(format!("{name}.mesh")));
    let address = "127.0.0.1:0".parse().expect("an address");
    let builder = builder.listen(address).interest(interest);
    builder.open().await.expect("the store opens")
}

impl Till {
    async fn start(directory: &Path, branch: &str, hub: &MeshStore) -> Self {
        let file = directory.join(format!("{branch}.db"));
        let repository = SqliteRepository::open(&file).await.expect("the database opens");
        let pool = repository.pool().clone();
        sqlx::raw_sql(SCHEMA)
            .execute(&pool)
            .await
            .expect("the table is made");
        let interest = Interest::everything().partition("stocks", [("branch", branch)]);
        let store = store(directory, branch, interest.expect("text parts rows")).await;
        let ticket = hub.ticket().await.expect("it listens");
        store.join(&ticket).await.expect("it joins");
        let sync = SyncRegistry::new()
            .with::<Stock>()
            .context("branch", branch)
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

    /// Branch, note and quantity of the row, once they are these.
    async fn shows(&self, expected: Option<(&str, &str, i64)>) {
        let expected =
            expected.map(|(branch, note, quantity)| (branch.to_owned(), note.to_owned(), quantity));
        let mut found = None;
        let shown = async {
            loop {
                let row = sqlx::query_as("SELECT branch, note, quantity FROM stocks WHERE id = 's'");
                found = row.fetch_optional(&self.pool).await.expect("it can be read");
                if found == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, shown).await;
        assert!(outcome.is_ok(), "waited for {expected:?}, found {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_its_branch_leaves_one_till_and_comes_to_the_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = store(directory.path(), "hub", Interest::everything()).await;
    let one = Till::start(directory.path(), "b1", &hub).await;
    let other = Till::start(directory.path(), "b2", &hub).await;
    one.run("INSERT INTO stocks VALUES ('s', 'b1', 'new', 10)").await;
    one.run("UPDATE stocks SET quantity = quantity - 3").await;
    one.run("UPDATE stocks SET branch = 'b2'").await;
    one.shows(None).await;
    other.shows(Some(("b2", "new", 7))).await;
    other
        .run("UPDATE stocks SET quantity = quantity + 20, note = 'there'")
        .await;
    other.run("UPDATE stocks SET branch = 'b1'").await;
    other.shows(None).await;
    one.shows(Some(("b1", "there", 27))).await;
    one.run("DELETE FROM stocks").await;
    one.run("INSERT INTO stocks VALUES ('s', 'b2', 'again', 1)").await;
    other.shows(Some(("b2", "again", 1))).await;
    other.run("UPDATE stocks SET quantity = quantity + 1").await;
    other.shows(Some(("b2", "again", 2))).await;
    one.shows(None).await;
    for till in [one, other] {
        till.sync.shutdown().await.expect("it stops");
        till.store.close().await;
    }
    hub.close().await;
}
