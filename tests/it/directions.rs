//! One-way models on whole devices: the other direction moves nothing, whatever is compared, and deletes nothing.

use ditto_sync::{Direction, DittoAdapter, SyncRegistry};

use crate::devices::{Device, PATIENCE, Pair, prepare};

#[derive(DittoAdapter)]
#[ditto(collection = "audits", direction = "send_only")]
struct Audit {
    #[ditto(id)]
    id: String,
    action: Option<String>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "catalogue", direction = "receive_only")]
struct Article {
    #[ditto(id)]
    id: String,
    name: Option<String>,
}

/// Goes both ways, by default: when its rows have arrived, those of the others would have, too.
#[derive(DittoAdapter)]
#[ditto(collection = "markers")]
struct Marker {
    #[ditto(id)]
    id: String,
}

/// The catalogue as the office sees it.
mod office {
    #[derive(ditto_sync::DittoAdapter)]
    #[ditto(collection = "catalogue")]
    pub(super) struct Article {
        #[ditto(id)]
        id: String,
        name: Option<String>,
    }
}

const SCHEMA: &str = "CREATE TABLE audits (id TEXT PRIMARY KEY NOT NULL, action TEXT);
    CREATE TABLE catalogue (id TEXT PRIMARY KEY NOT NULL, name TEXT);
    CREATE TABLE markers (id TEXT PRIMARY KEY NOT NULL)";
const AUDITS: &str = "SELECT quote(id), quote(action) FROM audits ORDER BY id";
const CATALOGUE: &str = "SELECT quote(id), quote(name) FROM catalogue ORDER BY id";
const MARKERS: &str = "SELECT quote(id) FROM markers ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new()
        .with::<Audit>()
        .with::<Article>()
        .with::<Marker>()
}

/// Both have told each other everything they would tell, and have compared everything they would compare.
async fn exchanged(pair: &Pair, marker: &str) {
    for (device, name) in [(&pair.left, "left"), (&pair.right, "right")] {
        device.sync.reconcile().await;
        device
            .run(&format!("INSERT INTO markers VALUES ('{marker}-{name}')"))
            .await;
    }
    pair.in_step(MARKERS).await;
}

#[test]
fn a_model_goes_both_ways_unless_told_otherwise() {
    assert_eq!(Marker::descriptor().direction(), Direction::Bidirectional);
    assert_eq!(Audit::descriptor().direction(), Direction::SendOnly);
    assert_eq!(Article::descriptor().direction(), Direction::ReceiveOnly);
}

#[tokio::test]
async fn a_send_only_model_takes_nothing_from_others_and_loses_nothing_to_them() {
    let pair = Pair::new(SCHEMA, registry).await;
    pair.on_left("INSERT INTO audits VALUES ('l', 'open')").await;
    pair.on_right("INSERT INTO audits VALUES ('r', 'open')").await;
    exchanged(&pair, "first").await;
    pair.left.holds(AUDITS, &["'l','open'"]).await;
    pair.right.holds(AUDITS, &["'r','open'"]).await;
    assert_eq!(
        pair.right.store.documents(Audit::descriptor()).len(),
        2,
        "both are in the store"
    );

    // What is deleted in the store by another device is deleted there, and stays here.
    pair.on_right(
        "DELETE FROM audits; INSERT INTO audits VALUES ('l', 'theirs'); DELETE FROM audits WHERE id = 'l'",
    )
    .await;
    exchanged(&pair, "second").await;
    pair.left.holds(AUDITS, &["'l','open'"]).await;
    pair.close().await;
}

#[tokio::test]
async fn a_row_of_a_receive_only_model_is_neither_sent_nor_deleted_by_a_comparison() {
    let pair = Pair::new(SCHEMA, registry).await;
    let office = pair.directory.path().join("office.db");
    prepare(
        &office,
        &["CREATE TABLE catalogue (id TEXT PRIMARY KEY NOT NULL, name TEXT)"],
    )
    .await;
    let office = Device::start(
        "office",
        &pair.directory,
        &pair.hub,
        SyncRegistry::new().with::<office::Article>(),
    )
    .await;
    office
        .run("INSERT INTO catalogue VALUES ('a', 'Milk'), ('b', 'Bread')")
        .await;
    pair.both_hold(CATALOGUE, &["'a','Milk'", "'b','Bread'"]).await;

    let changes = "INSERT INTO catalogue VALUES ('own', 'Mine'); UPDATE catalogue SET name = 'Changed' WHERE id = 'a'; DELETE FROM catalogue WHERE id = 'b'";
    pair.on_left(changes).await;
    exchanged(&pair, "changed").await;
    office.sync.settled(PATIENCE).await.expect("it settles");
    office.holds(CATALOGUE, &["'a','Milk'", "'b','Bread'"]).await;
    pair.right.holds(CATALOGUE, &["'a','Milk'", "'b','Bread'"]).await;
    assert!(
        pair.left
            .rows(CATALOGUE)
            .await
            .contains(&"'own','Mine'".to_owned()),
        "it is still here"
    );

    // The next change of the office comes in all the same.
    office
        .run("UPDATE catalogue SET name = 'Whole milk' WHERE id = 'a'")
        .await;
    pair.right
        .holds(CATALOGUE, &["'a','Whole milk'", "'b','Bread'"])
        .await;
    office.close().await;
    pair.close().await;
}
