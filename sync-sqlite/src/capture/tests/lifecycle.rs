//! Preparing again: what is written, noticed and carried over.

use ditto_sync_core::{descriptor::FieldDescriptor, repository::RepositoryError};

use super::{Bed, FORMS, items, model, nullable, text};
use crate::prepare::prepare;

#[tokio::test]
async fn preparing_again_writes_nothing() {
    let mut bed = Bed::items(FORMS[0]).await;
    assert!(bed.layouts[0].created && !bed.layouts[0].reinstalled);
    let before = bed.number("SELECT total_changes()").await;
    let schema = bed.number("PRAGMA schema_version").await;
    bed.prepare(&[items()]).await;
    let layout = &bed.layouts[0];
    assert!(!layout.created && !layout.reinstalled && !layout.rehash);
    assert_eq!(bed.number("SELECT total_changes()").await, before);
    assert_eq!(bed.number("PRAGMA schema_version").await, schema);
}

#[tokio::test]
async fn missing_or_altered_triggers_are_replaced_and_reported() {
    let mut bed = Bed::items(FORMS[0]).await;
    for damage in [
        "DROP TRIGGER ditto_sync_capture_1_delete_before",
        "DROP TRIGGER ditto_sync_capture_1_delete_before;
         CREATE TRIGGER ditto_sync_capture_1_delete_before BEFORE DELETE ON t BEGIN SELECT 1; END",
        "CREATE TABLE n(id TEXT PRIMARY KEY NOT NULL, v INTEGER, u TEXT UNIQUE, unmapped TEXT);
         INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
    ] {
        bed.run(damage).await;
        bed.prepare(&[items()]).await;
        assert!(bed.layouts[0].reinstalled, "{damage}");
        assert_eq!(
            bed.captured("DELETE FROM t WHERE id = 'a'").await,
            ["D 'a' 1 'x'"],
            "{damage}"
        );
        bed.run("INSERT INTO t VALUES ('a', 1, 'x', NULL)").await;
    }
}

#[tokio::test]
async fn a_renamed_table_keeps_its_bookkeeping() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run("UPDATE t SET v = 5 WHERE id = 'a'; ALTER TABLE t RENAME TO \"t 2\"; UPDATE \"t 2\" SET v = 6 WHERE id = 'b'").await;
    let renamed = {
        let (ids, fields) = (
            Box::leak(Box::new([text("id")])),
            Box::leak(Box::new([nullable::<i64>("v"), nullable::<String>("u")])),
        );
        &*Box::leak(Box::new(ditto_sync_core::descriptor::ModelDescriptor::new(
            "Test", "t", "t 2", ids, fields,
        )))
    };
    bed.prepare(&[renamed]).await;
    assert!(!bed.layouts[0].created);
    assert_eq!(bed.layouts[0].number, 1);
    assert_eq!(bed.log().await, ["U 'a' 1 'x'", "U 'b' 2 'y'"]);
}

#[tokio::test]
async fn a_new_field_counts_as_unchanged_in_what_is_pending() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run("UPDATE t SET unmapped = 'm'; UPDATE t SET v = 5 WHERE id = 'a'; DELETE FROM t WHERE id = 'b'; INSERT INTO t(id) VALUES ('d')").await;
    let wider = model(
        "t",
        &[text("id")],
        &[
            nullable::<String>("unmapped"),
            nullable::<String>("u"),
            nullable::<i64>("v"),
        ],
    );
    bed.prepare(&[wider]).await;
    assert!(bed.layouts[0].rehash && bed.layouts[0].reinstalled);
    assert_eq!(bed.log().await, ["U 'a' 'm' 'x' 1", "D 'b' NULL 'y' 2", "I 'd'"]);
    assert_eq!(
        bed.captured("UPDATE t SET unmapped = 'n' WHERE id = 'c'").await,
        ["U 'c' 'm' 'z' 3"]
    );
    bed.clear().await;
    bed.prepare(&[model("t", &[text("id")], &[nullable::<i64>("v")])])
        .await;
    assert!(bed.layouts[0].rehash);
    assert_eq!(
        bed.captured("UPDATE t SET v = 7 WHERE id = 'c'").await,
        ["U 'c' 3"]
    );
}

#[tokio::test]
async fn a_renamed_column_keeps_its_images() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run("UPDATE t SET v = 5 WHERE id = 'a'; ALTER TABLE t RENAME COLUMN v TO amount")
        .await;
    let renamed = model(
        "t",
        &[text("id")],
        &[
            FieldDescriptor::of::<Option<i64>>("v", "v", "amount"),
            nullable::<String>("u"),
        ],
    );
    bed.prepare(&[renamed]).await;
    assert!(!bed.layouts[0].rehash && !bed.layouts[0].reinstalled);
    assert_eq!(bed.log().await, ["U 'a' 1 'x'"]);
}

#[tokio::test]
async fn another_id_is_refused_while_changes_are_pending() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL UNIQUE, v INTEGER); INSERT INTO t VALUES ('a', 'k', 1)",
        &[model("t", &[text("id")], &[text("code"), nullable::<i64>("v")])],
    )
    .await;
    let changed = model("t", &[text("code")], &[text("id"), nullable::<i64>("v")]);
    bed.run("UPDATE t SET v = 2; INSERT INTO ditto_sync_known_1(entries) VALUES (zeroblob(32))")
        .await;
    let error = prepare(&mut bed.conn, &[changed], "test.db").await.unwrap_err();
    assert!(
        error.to_string().contains("the id fields changed, and 1 changes"),
        "{error}"
    );
    bed.clear().await;
    bed.prepare(&[changed]).await;
    assert_eq!(bed.number("SELECT count(*) FROM ditto_sync_known_1").await, 0);
    assert_eq!(bed.captured("UPDATE t SET v = 3").await, ["U 'k' 'a' 2"]);
}

#[tokio::test]
async fn bookkeeping_of_the_future_is_refused() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run("UPDATE ditto_sync_meta SET value = 99 WHERE key = 'format'")
        .await;
    let error = prepare(&mut bed.conn, &[items()], "till.db").await.unwrap_err();
    match error {
        RepositoryError::FutureFormat {
            path,
            found,
            supported,
        } => {
            assert_eq!((path.as_str(), found, supported), ("till.db", 99, 2));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn bookkeeping_of_the_first_format_is_carried_over() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run(
        "DROP TABLE ditto_sync_known_1; CREATE TABLE ditto_sync_known_1(id BLOB PRIMARY KEY NOT NULL, hash BLOB NOT NULL) WITHOUT ROWID;
         INSERT INTO ditto_sync_known_1 VALUES (x'00112233445566778899aabbccddee00', x'0f0e0d0c0b0a09080706050403020100'), (zeroblob(16), zeroblob(16));
         DROP TABLE ditto_sync_payloads; DROP TABLE ditto_sync_intents;
         CREATE TABLE ditto_sync_intents(sequence INTEGER PRIMARY KEY, previous INTEGER, state INTEGER NOT NULL, payload BLOB NOT NULL);
         INSERT INTO ditto_sync_intents VALUES (1, NULL, 1, x'01'), (2, 1, 0, x'0002');
         UPDATE ditto_sync_meta SET value = 1 WHERE key = 'format'",
    )
    .await;
    bed.prepare(&[items()]).await;
    for (found, expected) in [
        (
            "SELECT count(*) FROM ditto_sync_known_1 WHERE typeof(entries) = 'blob' AND length(entries) = 32",
            2,
        ),
        (
            "SELECT count(*) FROM ditto_sync_known_1 WHERE hex(entries) = '00112233445566778899AABBCCDDEE000F0E0D0C0B0A09080706050403020100'",
            1,
        ),
        (
            "SELECT count(*) FROM ditto_sync_intents AS i JOIN ditto_sync_payloads AS p USING (sequence) WHERE (i.sequence, i.state, hex(p.payload)) IN ((1, 1, '01'), (2, 0, '0002'))",
            2,
        ),
        ("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%former%'", 0),
    ] {
        assert_eq!(bed.number(found).await, expected, "{found}");
    }
    assert!(!bed.layouts[0].rehash && !bed.layouts[0].reinstalled);
}

#[tokio::test]
async fn another_hash_format_asks_for_new_hashes() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run("UPDATE ditto_sync_meta SET value = 0 WHERE key = 'hash_format'")
        .await;
    bed.prepare(&[items()]).await;
    assert!(bed.layouts[0].rehash);
    bed.prepare(&[items()]).await;
    assert!(!bed.layouts[0].rehash);
}

#[tokio::test]
async fn the_guard_is_lowered_and_its_row_comes_back() {
    let mut bed = Bed::items(FORMS[0]).await;
    for damage in [
        "UPDATE ditto_sync_guard SET active = -1",
        "DELETE FROM ditto_sync_guard",
    ] {
        bed.run(damage).await;
        bed.prepare(&[items()]).await;
        assert_eq!(
            bed.number("SELECT sum(active = 0) FROM ditto_sync_guard").await,
            1,
            "{damage}"
        );
    }
}

#[tokio::test]
async fn a_model_that_takes_over_a_table_ends_the_capture_of_the_other() {
    let mut bed = Bed::new(
        "CREATE TABLE one(id TEXT PRIMARY KEY, v INTEGER); CREATE TABLE two(id TEXT PRIMARY KEY, v INTEGER)",
        &[
            model("one", &[text("id")], &[nullable::<i64>("v")]),
            model("two", &[text("id")], &[nullable::<i64>("v")]),
        ],
    )
    .await;
    let fields = Box::leak(Box::new([nullable::<i64>("v")]));
    let swapped = |collection, table| {
        let ids = Box::leak(Box::new([text("id")]));
        &*Box::leak(Box::new(ditto_sync_core::descriptor::ModelDescriptor::new(
            "Test", collection, table, ids, &*fields,
        )))
    };
    bed.prepare(&[swapped("one", "two"), swapped("two", "one")]).await;
    bed.run("INSERT INTO two VALUES ('x', 1)").await;
    assert_eq!(bed.log().await, ["I 'x'"]);
    assert!(bed.log_of(1).await.is_empty());
}
