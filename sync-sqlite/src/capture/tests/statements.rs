//! Every kind of statement, on rowid and WITHOUT ROWID tables, with `recursive_triggers` off and on.

use super::{Bed, FORMS};

/// Runs each case on fresh tables of every form.
async fn check(cases: &[(&str, &[&str])]) {
    for form in FORMS {
        for (sql, expected) in cases {
            let captured = Bed::items(form).await.captured(sql).await;
            assert_eq!(captured, *expected, "{sql} with {form:?}");
        }
    }
}

#[tokio::test]
async fn plain_writes_are_captured_with_their_old_image() {
    check(&[
        ("INSERT INTO t(id, v, u) VALUES ('d', 4, 'w')", &["I 'd'"]),
        ("UPDATE t SET v = 9 WHERE id = 'a'", &["U 'a' 1 'x'"]),
        ("DELETE FROM t WHERE id = 'a'", &["D 'a' 1 'x'"]),
        ("UPDATE t SET v = 1 WHERE id = 'nope'", &[]),
    ])
    .await;
}

#[tokio::test]
async fn an_update_that_changes_no_mapped_value_is_not_captured() {
    check(&[
        ("UPDATE t SET v = v, u = u, id = id", &[]),
        ("UPDATE t SET unmapped = 'new'", &[]),
        (
            "UPDATE t SET unmapped = 'new', v = 7 WHERE id = 'b'",
            &["U 'b' 2 'y'"],
        ),
        (
            "UPDATE t SET v = NULL WHERE id = 'a'; UPDATE t SET v = NULL WHERE id = 'a'",
            &["U 'a' 1 'x'"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn replace_over_the_same_key_is_an_update() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("REPLACE INTO t(id, v, u) VALUES ('a', 9, 'q')")
            .await;
        // With recursive triggers SQLite also fires the delete; it leaves a second copy of the same image.
        let expected: &[_] = if form.recursive {
            &["R 'a' 1 'x'", "R 'a' 1 'x'"]
        } else {
            &["R 'a' 1 'x'"]
        };
        assert_eq!(log, expected, "{form:?}");
        assert_eq!(
            bed.captured("REPLACE INTO t(id, v, u) VALUES ('d', 4, 'w')")
                .await,
            ["I 'd'"]
        );
    }
}

#[tokio::test]
async fn replace_captures_the_row_it_removes_for_another_unique_key() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("REPLACE INTO t(id, v, u) VALUES ('d', 9, 'y')")
            .await;
        let expected: &[_] = if form.recursive {
            &["R 'b' 2 'y'", "R 'b' 2 'y'", "I 'd'"]
        } else {
            &["R 'b' 2 'y'", "I 'd'"]
        };
        assert_eq!(log, expected, "{form:?}");
    }
}

#[tokio::test]
async fn replace_over_the_same_key_and_another_one_is_an_update_and_a_removal() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("REPLACE INTO t(id, v, u) VALUES ('a', 9, 'y')")
            .await;
        let expected: &[_] = if form.recursive {
            &["R 'b' 2 'y'", "R 'a' 1 'x'", "R 'b' 2 'y'", "R 'a' 1 'x'"]
        } else {
            &["R 'b' 2 'y'", "R 'a' 1 'x'"]
        };
        assert_eq!(log, expected, "{form:?}");
    }
}

#[tokio::test]
async fn update_or_replace_captures_the_rows_it_removes() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("UPDATE OR REPLACE t SET u = 'y' WHERE id = 'a'")
            .await;
        assert!(
            log.contains(&"R 'b' 2 'y'".to_owned()) && log.contains(&"U 'a' 1 'x'".to_owned()),
            "{log:?}"
        );
        assert!(!log.iter().any(|entry| entry.starts_with('I')), "{log:?}");

        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("UPDATE OR REPLACE t SET id = 'b' WHERE id = 'a'")
            .await;
        let expected: &[_] = if form.recursive {
            &["D 'a' 1 'x'", "R 'b' 2 'y'", "R 'b' 2 'y'"]
        } else {
            &["D 'a' 1 'x'", "R 'b' 2 'y'"]
        };
        assert_eq!(log, expected, "{form:?}");
    }
}

#[tokio::test]
async fn several_rows_of_one_replace_are_told_apart() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let log = bed
            .captured("REPLACE INTO t(id, v, u) VALUES ('a', 9, 'x'), ('d', 4, 'w'), ('c', 8, 'z')")
            .await;
        let expected: &[_] = if form.recursive {
            &[
                "R 'a' 1 'x'",
                "U 'a' 1 'x'",
                "I 'd'",
                "R 'c' 3 'z'",
                "R 'c' 3 'z'",
            ]
        } else {
            &["U 'a' 1 'x'", "I 'd'", "R 'c' 3 'z'"]
        };
        assert_eq!(log, expected, "{form:?}");
    }
}

/// What a BEFORE INSERT trigger sees of an id that SQLite assigns is no id. An `R` of an earlier statement, which may be in an intent already, must not be
/// taken for one of this statement then: the insert would have no entry.
#[tokio::test]
async fn an_insert_of_an_assigned_key_has_an_entry_whatever_came_before() {
    let mut bed = Bed::new(
        "CREATE TABLE n(id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO n VALUES (1, 7)",
        &[super::model(
            "n",
            &[super::integer("id")],
            &[super::nullable::<i64>("v")],
        )],
    )
    .await;
    let log = bed
        .captured("INSERT OR IGNORE INTO n VALUES (1, 1); DELETE FROM n; INSERT INTO n(v) VALUES (2)")
        .await;
    assert_eq!(log.len(), 3, "{log:?}");
    assert_eq!(log[2], "I 1");
}

#[tokio::test]
async fn an_upsert_is_an_update_or_no_change() {
    check(&[
        (
            "INSERT INTO t(id, v, u) VALUES ('a', 9, 'x') ON CONFLICT (id) DO UPDATE SET v = excluded.v",
            &["R 'a' 1 'x'", "U 'a' 1 'x'"],
        ),
        (
            "INSERT INTO t(id, v, u) VALUES ('d', 9, 'x') ON CONFLICT (u) DO UPDATE SET v = excluded.v",
            &["R 'a' 1 'x'", "U 'a' 1 'x'"],
        ),
        (
            "INSERT INTO t(id, v, u) VALUES ('a', 9, 'x') ON CONFLICT (id) DO UPDATE SET v = 9 WHERE excluded.v <> 9",
            &["R 'a' 1 'x'"],
        ),
        ("INSERT INTO t(id, v, u) VALUES ('a', 9, 'x') ON CONFLICT DO NOTHING", &["R 'a' 1 'x'"]),
        ("INSERT OR IGNORE INTO t(id, v, u) VALUES ('a', 9, 'x')", &["R 'a' 1 'x'"]),
        ("INSERT OR IGNORE INTO t(id, v, u) VALUES ('d', 9, 'w')", &["I 'd'"]),
    ])
    .await;
}

#[tokio::test]
async fn an_ignored_insert_does_not_hide_what_follows() {
    check(&[
        ("INSERT OR IGNORE INTO t(id) VALUES ('a'); DELETE FROM t WHERE id = 'a'", &["R 'a' 1 'x'", "R 'a' 1 'x'"]),
        (
            "INSERT OR IGNORE INTO t(id) VALUES ('a'); DELETE FROM t WHERE id = 'a'; INSERT INTO t(id, v) VALUES ('a', 5)",
            &["R 'a' 1 'x'", "D 'a' 1 'x'", "I 'a'"],
        ),
        (
            "INSERT OR IGNORE INTO t(id) VALUES ('a'); DELETE FROM t WHERE id = 'a'; REPLACE INTO t(id, v) VALUES ('a', 5)",
            &["R 'a' 1 'x'", "D 'a' 1 'x'", "I 'a'"],
        ),
        (
            "INSERT OR IGNORE INTO t(id) VALUES ('a'); DELETE FROM t WHERE id = 'a'; UPDATE t SET id = 'a' WHERE id = 'b'",
            &["R 'a' 1 'x'", "R 'a' 1 'x'", "D 'b' 2 'y'", "I 'a'"],
        ),
        (
            "INSERT OR IGNORE INTO t(id) VALUES ('a'); UPDATE t SET v = 5 WHERE id = 'a'",
            &["R 'a' 1 'x'", "U 'a' 1 'x'"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_delete_and_an_insert_of_the_same_id_show_an_insert() {
    check(&[(
        "DELETE FROM t WHERE id = 'a'; INSERT INTO t(id, v, u) VALUES ('a', 1, 'x')",
        &["D 'a' 1 'x'", "I 'a'"],
    )])
    .await;
}

#[tokio::test]
async fn another_id_is_a_delete_and_an_insert() {
    check(&[
        (
            "UPDATE t SET id = 'zz' WHERE id = 'a'",
            &["D 'a' 1 'x'", "I 'zz'"],
        ),
        (
            "UPDATE t SET id = 'zz', v = 7, u = 'q' WHERE id = 'a'",
            &["D 'a' 1 'x'", "I 'zz'"],
        ),
        ("UPDATE t SET id = 'A' WHERE id = 'a'", &["D 'a' 1 'x'", "I 'A'"]),
    ])
    .await;
}

#[tokio::test]
async fn emptying_a_table_captures_every_row() {
    check(&[("DELETE FROM t", &["D 'a' 1 'x'", "D 'b' 2 'y'", "D 'c' 3 'z'"])]).await;
}

#[tokio::test]
async fn what_is_rolled_back_is_not_captured() {
    check(&[
        ("BEGIN; UPDATE t SET v = 5; INSERT INTO t(id) VALUES ('d'); ROLLBACK", &[]),
        (
            "BEGIN; UPDATE t SET v = 5 WHERE id = 'a'; SAVEPOINT s; UPDATE t SET v = 5 WHERE id = 'b'; ROLLBACK TO s; COMMIT",
            &["U 'a' 1 'x'"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nothing() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        bed.fail("UPDATE t SET u = 'z' WHERE id IN ('a', 'b')").await;
        bed.fail("INSERT INTO t(id, u) VALUES ('d', 'w'), ('a', 'q')")
            .await;
        bed.fail("UPDATE t SET id = 'b' WHERE id = 'a'").await;
        assert!(bed.log().await.is_empty(), "{form:?}");
    }
}

#[tokio::test]
async fn what_the_app_asks_for_afterwards_is_not_disturbed() {
    let mut bed = Bed::new(
        "CREATE TABLE n(id INTEGER PRIMARY KEY, v INTEGER)",
        &[super::model(
            "n",
            &[super::integer("id")],
            &[super::nullable::<i64>("v")],
        )],
    )
    .await;
    bed.run("INSERT INTO n(id, v) VALUES (41, 1), (42, 2)").await;
    assert_eq!(bed.number("SELECT last_insert_rowid()").await, 42);
    bed.run("UPDATE n SET v = v + 1").await;
    assert_eq!(bed.number("SELECT changes()").await, 2);
    assert_eq!(bed.number("INSERT INTO n(v) VALUES (7) RETURNING id").await, 43);
}
