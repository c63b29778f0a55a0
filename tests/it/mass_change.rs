//! Mass changes from the store wait until somebody has decided about them; everything else goes on.

use std::time::Duration;

use ditto_sync::{
    DittoAdapter, HoldError, MassChangeLimit, SqliteRepository, SyncConfig, SyncEvent, SyncRegistry,
};
use ditto_sync_testkit::MemoryHub;
use tempfile::TempDir;

use crate::devices::{Device, PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: i64,
    product: String,
    #[ditto(counter)]
    quantity: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: i64,
    text: String,
}

#[derive(DittoAdapter)]
#[ditto(collection = "sales", scope(branch))]
struct Sale {
    #[ditto(id)]
    id: i64,
    branch: String,
}

const SCHEMA: &str =
    "CREATE TABLE stocks (id INTEGER PRIMARY KEY NOT NULL, product TEXT NOT NULL, quantity INTEGER NOT NULL);
    CREATE TABLE notes (id INTEGER PRIMARY KEY NOT NULL, text TEXT NOT NULL);
    CREATE TABLE sales (id INTEGER PRIMARY KEY NOT NULL, branch TEXT NOT NULL)";
const STOCKS: &str = "SELECT quote(id), quote(product), quote(quantity) FROM stocks ORDER BY id";
const COUNT: &str = "SELECT quote(count(*)) FROM stocks";
const MASS_DELETE: &str = "DELETE FROM stocks WHERE id <= 600";

fn many(rows: u32) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
        INSERT INTO stocks SELECT i, 'product ' || i, i FROM n"
    )
}

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Stock>().with::<Note>()
}

/// Two devices that hold the same stocks.
async fn stocked(rows: u32) -> Pair {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left(&many(rows)).await;
    assert_eq!(pair.in_step(STOCKS).await.len(), rows as usize);
    pair
}

/// Stops a device and starts it again, with a window that no machine is too slow for.
async fn restarted(device: Device, directory: &TempDir, hub: &MemoryHub) -> Device {
    let name = device.name;
    device.close().await;
    let limit = MassChangeLimit {
        window: Duration::from_secs(3600),
        ..MassChangeLimit::default()
    };
    started_with(
        name,
        directory,
        hub,
        SyncConfig::adaptive().mass_change_limit(limit),
    )
    .await
}

async fn started_with(
    name: &'static str,
    directory: &TempDir,
    hub: &MemoryHub,
    config: SyncConfig,
) -> Device {
    let repository = SqliteRepository::open(directory.path().join(format!("{name}.db")))
        .await
        .expect("the database opens");
    let store = hub.store(name);
    let sync = registry()
        .config(config.startup_delay(Duration::ZERO))
        .start(repository.clone(), store.clone())
        .await
        .expect("the coordinator starts");
    Device {
        name,
        repository,
        sync,
        store,
    }
}

#[tokio::test]
async fn a_mass_delete_is_held_while_everything_else_goes_on_and_applied_once_approved() {
    let pair = stocked(1000).await;
    let mut events = pair.right.sync.events();
    pair.on_left(MASS_DELETE).await;
    pair.right.reports("stocks", |stocks| stocks.held == 600).await;
    assert_eq!(pair.right.rows(COUNT).await, ["1000"], "nothing is lost");
    let held = loop {
        let event = events.next().await.expect("the coordinator runs");
        if let SyncEvent::MassChangeHeld {
            collection,
            deletes,
            overwrites,
            rows,
        } = event
        {
            break (collection, deletes > 0, overwrites, rows);
        }
    };
    assert_eq!(held, ("stocks", true, 0, 1000));
    let listed = pair.right.sync.held_changes().await.expect("the list");
    assert_eq!(
        (
            listed.len(),
            listed[0].collection,
            listed[0].deletes,
            listed[0].rows
        ),
        (1, "stocks", 600, 1000)
    );
    assert!(!listed[0].sample.is_empty());

    // Another collection, another row of this one, and the other direction.
    pair.on_left("INSERT INTO notes VALUES (1, 'still here'); INSERT INTO stocks VALUES (2000, 'new', 1)")
        .await;
    pair.right
        .holds("SELECT quote(text) FROM notes", &["'still here'"])
        .await;
    pair.right
        .holds("SELECT quote(product) FROM stocks WHERE id = 2000", &["'new'"])
        .await;
    pair.on_right("UPDATE stocks SET product = 'renamed' WHERE id IN (5, 700)")
        .await;
    pair.left
        .holds("SELECT quote(product) FROM stocks WHERE id = 700", &["'renamed'"])
        .await;
    pair.right
        .sync
        .settled(PATIENCE)
        .await
        .expect("rows with a held change are left out");
    pair.right
        .reports("stocks", |stocks| stocks.held == 600 && stocks.pending == 1)
        .await;

    let approved = pair.right.sync.approve_mass_change("stocks").await;
    assert_eq!(approved.expect("an approval"), 600);
    pair.right
        .reports("stocks", |stocks| stocks.held == 0 && stocks.pending == 0)
        .await;
    assert_eq!(pair.in_step(STOCKS).await.len(), 401);
    let conflicts = pair.right.sync.conflicts().await.expect("the conflicts");
    assert_eq!(conflicts.len(), 1, "the delete has won over the change of row 5");
    pair.close().await;
}

#[tokio::test]
async fn a_hold_outlives_a_restart_even_when_what_is_left_would_be_below_the_limit() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked(1000).await;
    let right = restarted(right, &directory, &hub).await;
    // Less than half of the table goes in; then the rest trips.
    left.run("DELETE FROM stocks WHERE id <= 450").await;
    right.holds(COUNT, &["550"]).await;
    left.run(MASS_DELETE).await;
    right.reports("stocks", |stocks| stocks.held == 150).await;

    let right = restarted(right, &directory, &hub).await;
    right.reports("stocks", |stocks| stocks.held == 150).await;
    assert_eq!(right.rows(COUNT).await, ["550"]);
    left.run("INSERT INTO notes VALUES (1, 'x')").await;
    right.holds("SELECT quote(id) FROM notes", &["1"]).await;
    assert_eq!(right.rows(COUNT).await, ["550"]);

    assert_eq!(
        right
            .sync
            .approve_mass_change("stocks")
            .await
            .expect("an approval"),
        150
    );
    right.holds(COUNT, &["400"]).await;
    let right = restarted(right, &directory, &hub).await;
    right.sync.settled(PATIENCE).await.expect("it settles");
    assert!(right.sync.held_changes().await.expect("the list").is_empty());
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn a_rejected_mass_delete_is_undone_on_every_device() {
    let pair = stocked(1000).await;
    let third = pair.directory.path().join("third.db");
    crate::devices::prepare(&third, &[SCHEMA]).await;
    let third = Device::start("third", &pair.directory, &pair.hub, registry()).await;
    third.holds(COUNT, &["1000"]).await;
    let before = pair.right.rows(STOCKS).await;

    pair.on_left(MASS_DELETE).await;
    for device in [&pair.right, &third] {
        device.reports("stocks", |stocks| stocks.held == 600).await;
    }
    let rejected = pair.right.sync.reject_mass_change("stocks").await;
    assert_eq!(rejected.expect("a rejection"), 600);
    assert_eq!(pair.in_step(STOCKS).await, before);
    third.reports("stocks", |stocks| stocks.held == 0).await;
    assert_eq!(third.rows(STOCKS).await, before);
    let nothing_left = pair.right.sync.reject_mass_change("stocks").await;
    assert!(
        matches!(nothing_left, Err(HoldError::NothingHeld { .. })),
        "{nothing_left:?}"
    );

    // All of them are ordinary rows again, wherever they are.
    pair.on_left("UPDATE stocks SET quantity = quantity + 1 WHERE id = 1")
        .await;
    third
        .holds("SELECT quote(quantity) FROM stocks WHERE id = 1", &["2"])
        .await;
    third.close().await;
    pair.close().await;
}

#[tokio::test]
async fn what_is_deleted_while_a_device_is_off_is_held_when_it_is_back() {
    let pair = stocked(1000).await;
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    right.close().await;
    left.run("DELETE FROM stocks").await;
    left.sync.settled(PATIENCE).await.expect("the left settles");

    let right = Device::start("right", &directory, &hub, registry()).await;
    right.reports("stocks", |stocks| stocks.held == 1000).await;
    assert_eq!(right.rows(COUNT).await, ["1000"]);
    // Not decided on either; and again.
    let right = restarted(right, &directory, &hub).await;
    right.reports("stocks", |stocks| stocks.held == 1000).await;
    assert_eq!(
        right
            .sync
            .reject_mass_change("stocks")
            .await
            .expect("a rejection"),
        1000
    );
    left.holds(COUNT, &["1000"]).await;
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn deletes_one_by_one_are_held_before_more_than_the_limit_is_applied() {
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = stocked(1000).await;
    let right = restarted(right, &directory, &hub).await;
    for id in 1..=600 {
        left.run(&format!("DELETE FROM stocks WHERE id = {id}")).await;
    }
    left.sync.settled(PATIENCE).await.expect("the left settles");
    right.reports("stocks", |stocks| stocks.held >= 100).await;
    let left_over: usize = right.rows(COUNT).await[0].parse().expect("a number");
    assert!(left_over >= 500, "at most half is deleted, {left_over} are left");
    right
        .sync
        .approve_mass_change("stocks")
        .await
        .expect("an approval");
    right.holds(COUNT, &["400"]).await;
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn ordinary_deletes_and_those_of_small_tables_are_not_held() {
    let pair = stocked(200).await;
    pair.on_left("DELETE FROM stocks WHERE id <= 90").await;
    pair.both_hold(COUNT, &["110"]).await;
    pair.close().await;

    let small = stocked(99).await;
    small.on_left("DELETE FROM stocks").await;
    small.both_hold(COUNT, &["0"]).await;
    small.close().await;
}

#[tokio::test]
async fn rows_that_leave_the_scope_are_no_deletes() {
    let in_branch = |branch: &str| SyncRegistry::new().with::<Sale>().context("branch", branch);
    let pair = Pair::new(SCHEMA, || in_branch("north")).await;
    pair.on_left(&many(1000).replace("stocks SELECT i, 'product ' || i, i", "sales SELECT i, 'north'"))
        .await;
    pair.right
        .holds("SELECT quote(count(*)) FROM sales", &["1000"])
        .await;
    pair.left.sync.settled(PATIENCE).await.expect("the left settles");
    // Most documents move out of the scope of the other device..
    pair.on_left("UPDATE sales SET branch = 'south' WHERE id <= 800")
        .await;
    pair.right
        .holds("SELECT quote(count(*)) FROM sales", &["200"])
        .await;
    // .. and then the device itself goes somewhere else.
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    right.close().await;
    let right = Device::start("right", &directory, &hub, in_branch("south")).await;
    right
        .holds("SELECT quote(count(*)), min(branch) FROM sales", &["800,south"])
        .await;
    assert!(right.sync.held_changes().await.expect("the list").is_empty());
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn overwritten_rows_are_held_where_they_count_and_get_their_values_back_when_rejected() {
    let pair = stocked(200).await;
    let before = pair.right.rows(STOCKS).await;
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    right.close().await;
    let limit = MassChangeLimit {
        overwrites: true,
        ..MassChangeLimit::default()
    };
    let config = SyncConfig::adaptive().mass_change_limit(limit);
    let right = started_with("right", &directory, &hub, config).await;
    left.run("UPDATE stocks SET product = 'oops', quantity = quantity + 5")
        .await;
    right.reports("stocks", |stocks| stocks.held == 200).await;
    assert_eq!(right.rows(STOCKS).await, before);
    let listed = right.sync.held_changes().await.expect("the list");
    assert_eq!((listed[0].deletes, listed[0].overwrites), (0, 200));
    assert_eq!(
        right
            .sync
            .reject_mass_change("stocks")
            .await
            .expect("a rejection"),
        200
    );
    let expected: Vec<_> = before.iter().map(String::as_str).collect();
    left.holds(STOCKS, &expected).await;
    right.holds(STOCKS, &expected).await;
    right.close().await;
    left.close().await;
}

#[tokio::test]
async fn without_a_limit_nothing_is_held() {
    let pair = stocked(300).await;
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = pair;
    right.close().await;
    let config = SyncConfig::adaptive().mass_change_limit_of("stocks", None);
    let right = started_with("right", &directory, &hub, config).await;
    left.run("DELETE FROM stocks").await;
    right.holds(COUNT, &["0"]).await;
    right.close().await;
    left.close().await;
}
