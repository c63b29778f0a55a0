//! Stores whose file is not the one that peers remember: old files, copies, history that was trimmed.

use std::path::Path;

use ditto_sync_core::value::Value;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{
    exchanging::{batch, disconnect, even, field, increment, insert, open, set_note, until},
    wire::wire,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_that_comes_back_loses_nothing_of_before_or_after() {
    for is_noticed in [true, false] {
        bring_back(is_noticed).await;
    }
}

async fn bring_back(is_noticed: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, kept) = (directory.path().join("one"), directory.path().join("kept.sqlite"));
    let other = open(&directory.path().join("other")).await;
    let one = open(&home).await;
    insert(&one, batch(1, 1), "s1").await;
    one.close().await;
    std::fs::copy(home.join("mesh.sqlite"), &kept).expect("a closed file can be copied");
    let mark = std::fs::read(home.join("mesh.sqlite.life")).expect("it stands beside");
    let one = open(&home).await;
    for sequence in 2..6 {
        increment(&one, batch(1, sequence), "s1", 1).await;
    }
    let tasks = wire(&one, &other);
    even(&one, &other).await;
    disconnect(tasks).await;
    one.close().await;
    std::fs::copy(&kept, home.join("mesh.sqlite")).expect("it comes back");
    if !is_noticed {
        std::fs::write(home.join("mesh.sqlite.life"), mark).expect("it comes back, too");
    }
    let one = open(&home).await;
    increment(&one, batch(2, 1), "s1", 100).await;
    set_note(&other, batch(3, 1), "s1", "kept").await;
    let tasks = wire(&one, &other);
    for store in [&one, &other] {
        until("every increment counts once", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(114))
        })
        .await;
        until("the edit of the other is kept", async || {
            field(store, "s1", "note").await == Some("kept".into())
        })
        .await;
    }
    even(&one, &other).await;
    increment(&one, batch(2, 2), "s1", 1).await;
    until("it goes on", async || {
        field(&other, "s1", "quantity").await == Some(Value::Int(115))
    })
    .await;
    disconnect(tasks).await;
}

/// Takes from a closed file what layout 2 has added to layout 1.
/// Makes a closed file one of an older layout.
pub(super) async fn make_old(file: &Path, layout: i64) {
    const TO_2: &str = "ALTER TABLE shard RENAME TO shard_3;
        CREATE TABLE shard (number INTEGER PRIMARY KEY, collection TEXT NOT NULL UNIQUE, snapshot BLOB, rows BLOB);
        INSERT INTO shard SELECT number, collection, snapshot, rows FROM shard_3;
        DROP TABLE shard_3;
        DROP TABLE confirmed;
        CREATE TABLE confirmed (key BLOB NOT NULL, collection TEXT NOT NULL, version BLOB NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (key, collection)) WITHOUT ROWID;
        INSERT INTO confirmed VALUES (zeroblob(32), 'stocks', x'', 1);
        ALTER TABLE device DROP COLUMN interest;
        PRAGMA user_version = 2;";
    const TO_1: &str = "ALTER TABLE store DROP COLUMN clean; ALTER TABLE store DROP COLUMN mark; ALTER TABLE store DROP COLUMN syncs;
        DROP TABLE gap; DROP TABLE dropped; PRAGMA user_version = 1";
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.expect("the file opens");
    for (older, back) in [(2, TO_2), (1, TO_1)] {
        if older >= layout {
            let made = sqlx::raw_sql(back).execute(&mut connection).await;
            made.expect("it is a file of the layout after that");
        }
    }
    connection.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_first_layout_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, other) = (directory.path().join("one"), directory.path().join("other"));
    let one = open(&home).await;
    insert(&one, batch(1, 1), "s1").await;
    one.close().await;
    make_old(&home.join("mesh.sqlite"), 1).await;
    std::fs::remove_file(home.join("mesh.sqlite.life")).expect("it came with layout 2");
    for sequence in 2..4 {
        let one = open(&home).await;
        increment(&one, batch(1, sequence), "s1", 1).await;
        one.close().await;
    }
    let (one, other) = (open(&home).await, open(&other).await);
    let tasks = wire(&one, &other);
    for store in [&one, &other] {
        until("all is there", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(12))
        })
        .await;
    }
    disconnect(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_behind_a_trim_gets_a_snapshot_and_keeps_what_it_wrote() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let late = open(&directory.path().join("late")).await;
    insert(&one, batch(1, 1), "s1").await;
    let tasks = wire(&one, &late);
    even(&one, &late).await;
    disconnect(tasks).await;
    for sequence in 2..30 {
        increment(&one, batch(1, 2 * sequence), "s1", 1).await;
        set_note(&one, batch(1, 2 * sequence + 1), "s1", &format!("n{sequence}")).await;
    }
    increment(&late, batch(2, 1), "s1", 1000).await;
    insert(&late, batch(2, 2), "s2").await;
    // Nobody is remembered by name on a wire, so nobody holds it up.
    assert_eq!(one.trim_history().await.expect("it can be trimmed"), ["stocks"]);
    assert!(one.trim_history().await.expect("it can be trimmed").is_empty());
    let tasks = wire(&one, &late);
    for store in [&one, &late] {
        until("all is there", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(1038))
                && field(store, "s2", "note").await.is_some()
                && field(store, "s1", "note").await == Some("n29".into())
        })
        .await;
    }
    even(&one, &late).await;
    disconnect(tasks).await;
    // What was trimmed stays so after a restart, and a fresh device gets it too.
    one.close().await;
    let one = open(&directory.path().join("one")).await;
    let fresh = open(&directory.path().join("fresh")).await;
    let tasks = wire(&one, &fresh);
    until("a fresh device gets all", async || {
        field(&fresh, "s1", "quantity").await == Some(Value::Int(1038))
    })
    .await;
    disconnect(tasks).await;
}

/// A copy of a closed store in another directory which the store takes for the file that it wrote last.
fn pass_off(from: &Path, to: &Path) {
    std::fs::copy(from.join("mesh.sqlite"), to.join("mesh.sqlite")).expect("it can be copied");
    let read = |directory: &Path| std::fs::read_to_string(directory.join("mesh.sqlite.life"));
    let (life, place) = (read(from).expect("a mark"), read(to).expect("a mark"));
    let mark = life.split(' ').next().expect("a mark");
    let place = place.split(' ').nth(1).expect("a place");
    std::fs::write(to.join("mesh.sqlite.life"), format!("{mark} {place}")).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_differ_at_equal_versions_are_made_equal_by_who_wrote_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let (home, clone) = (directory.path().join("one"), directory.path().join("clone"));
    let one = open(&home).await;
    insert(&one, batch(1, 1), "s1").await;
    one.close().await;
    open(&clone).await.close().await;
    pass_off(&home, &clone);
    let (one, clone) = (open(&home).await, open(&clone).await);
    let other = open(&directory.path().join("other")).await;
    // The same number of operations under one number: nothing but the digests tells them apart.
    set_note(&one, batch(1, 2), "s1", "original").await;
    increment(&one, batch(1, 3), "s1", 5).await;
    set_note(&clone, batch(1, 2), "s1", "clone").await;
    increment(&clone, batch(1, 3), "s1", 7).await;
    let tasks = wire(&one, &other);
    even(&one, &other).await;
    disconnect(tasks).await;
    let tasks = wire(&clone, &other);
    for store in [&clone, &other] {
        until("every increment counts once", async || {
            field(store, "s1", "quantity").await == Some(Value::Int(22))
        })
        .await;
        until("the clone has written its note anew", async || {
            field(store, "s1", "note").await == Some("clone".into())
        })
        .await;
    }
    even(&clone, &other).await;
    disconnect(tasks).await;
}
