//! Starting, stopping and starting again.

use ditto_sync::{ContextError, DittoAdapter, RegistryError, RepositoryError, StartError, SyncRegistry};

use crate::devices::{Device, PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "tasks")]
struct Task {
    #[ditto(id)]
    id: String,
    done: bool,
}

#[derive(DittoAdapter)]
#[ditto(collection = "tasks", table = "other_tasks")]
struct SameCollection {
    #[ditto(id)]
    id: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "scoped", scope(branch))]
struct Scoped {
    #[ditto(id)]
    id: String,
    branch: String,
}

const SCHEMA: &str = "CREATE TABLE tasks (id TEXT PRIMARY KEY NOT NULL, done INTEGER NOT NULL)";
const TASKS: &str = "SELECT quote(id), quote(done) FROM tasks ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Task>()
}

#[tokio::test]
async fn what_changed_while_a_device_was_off_travels_when_it_is_back() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO tasks VALUES ('1', 0), ('2', 0)").await;
    pair.in_step(TASKS).await;

    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    right.close().await;
    left.run("UPDATE tasks SET done = 1 WHERE id = '1'; INSERT INTO tasks VALUES ('3', 0)")
        .await;
    left.sync.settled(PATIENCE).await.expect("the left settles");
    let right_file = directory.path().join("right.db");
    crate::devices::prepare(
        &right_file,
        &["DELETE FROM tasks WHERE id = '2'; INSERT INTO tasks VALUES ('4', 1)"],
    )
    .await;

    let right = Device::start("right", &directory, &hub, registry()).await;
    let expected = ["'1',1", "'3',0", "'4',1"];
    right.holds(TASKS, &expected).await;
    left.holds(TASKS, &expected).await;
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn a_second_coordinator_on_one_database_is_refused_and_the_first_goes_on() {
    let pair = Pair::new(SCHEMA, registry).await;
    let refused = registry()
        .start(pair.left.repository.clone(), pair.left.store.clone())
        .await;
    assert!(matches!(
        refused,
        Err(StartError::Repository(RepositoryError::InUse { .. }))
    ));
    pair.on_left("INSERT INTO tasks VALUES ('1', 0)").await;
    pair.both_hold(TASKS, &["'1',0"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_registry_that_is_not_consistent_says_so() {
    let clash = SyncRegistry::new()
        .with::<Task>()
        .with::<SameCollection>()
        .setup();
    let clash = clash.err().expect("two models of one collection");
    assert!(matches!(
        clash,
        RegistryError::Duplicate {
            what: "collection",
            ..
        }
    ));
    assert!(
        clash.to_string().contains("Task") && clash.to_string().contains("SameCollection"),
        "{clash}"
    );

    let missing = SyncRegistry::new()
        .with::<Scoped>()
        .setup()
        .err()
        .expect("a scope without a value");
    assert_eq!(
        missing,
        RegistryError::Context(ContextError::MissingParameter {
            name: "branch".into(),
            known: "branch".into()
        })
    );
    let unknown = SyncRegistry::new()
        .with::<Task>()
        .context("brunch", 1_i64)
        .setup()
        .err()
        .expect("a value nobody asks for");
    assert!(matches!(
        unknown,
        RegistryError::Context(ContextError::UnknownParameter { .. })
    ));
    assert_eq!(SyncRegistry::new().setup().err(), Some(RegistryError::Empty));
}

#[tokio::test]
async fn a_quiet_pair_writes_nothing() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO tasks VALUES ('1', 0), ('2', 1)").await;
    pair.on_right("INSERT INTO tasks VALUES ('3', 0)").await;
    pair.in_step(TASKS).await;
    let applied = (
        pair.left.store.operations_applied(),
        pair.right.store.operations_applied(),
    );
    let (mut left, mut right) = (
        Watch::of(&pair, "left.db").await,
        Watch::of(&pair, "right.db").await,
    );
    let versions = (left.version().await, right.version().await);
    for _ in 0..3 {
        pair.left.sync.reconcile().await;
        pair.right.sync.reconcile().await;
        pair.in_step(TASKS).await;
    }
    assert_eq!(
        (
            pair.left.store.operations_applied(),
            pair.right.store.operations_applied()
        ),
        applied
    );
    assert_eq!(
        (left.version().await, right.version().await),
        versions,
        "SQLite was written"
    );
    pair.close().await;
}

/// A connection that only looks whether anybody else has written.
struct Watch(sqlx::SqliteConnection);

impl Watch {
    async fn of(pair: &Pair, file: &str) -> Self {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(pair.directory.path().join(file));
        Self(
            <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options)
                .await
                .expect("the database opens"),
        )
    }

    /// Moves with every commit of another connection (<https://sqlite.org/pragma.html#pragma_data_version>).
    async fn version(&mut self) -> i64 {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.0)
            .await
            .expect("the version")
    }
}

#[tokio::test]
async fn an_app_that_holds_the_write_lock_for_long_delays_but_breaks_nothing() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO tasks VALUES ('1', 0)").await;
    pair.in_step(TASKS).await;

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(pair.directory.path().join("right.db"));
    let mut app = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options)
        .await
        .expect("the database opens");
    sqlx::raw_sql("BEGIN IMMEDIATE; INSERT INTO tasks VALUES ('2', 0)")
        .execute(&mut app)
        .await
        .expect("the app begins");
    pair.on_left("UPDATE tasks SET done = 1").await;
    // Longer than we wait for a lock: the coordinator has given up once, and says why.
    let mut status = pair.right.sync.status();
    let retrying = status.wait_for(|status| {
        status
            .last_error
            .as_ref()
            .is_some_and(|why| why.contains("locked"))
    });
    tokio::time::timeout(PATIENCE, retrying)
        .await
        .expect("the status says so")
        .expect("it runs");
    sqlx::raw_sql("COMMIT")
        .execute(&mut app)
        .await
        .expect("the app commits");

    pair.both_hold(TASKS, &["'1',1", "'2',0"]).await;
    status
        .wait_for(|status| status.last_error.is_none())
        .await
        .expect("it runs");
    pair.close().await;
}
