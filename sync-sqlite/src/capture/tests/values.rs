//! Images hold what the columns held, bit by bit; and every kind of key.

use super::{Bed, integer, model, nullable, text};

#[tokio::test]
async fn images_keep_every_storage_class() {
    let model = model(
        "t",
        &[text("id")],
        &[
            nullable::<String>("a"),
            nullable::<f64>("b"),
            nullable::<Vec<u8>>("c"),
        ],
    );
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b REAL, c BLOB);
         INSERT INTO t VALUES ('1', x'00ff', 1.0, 'text'), ('2', '1', 9007199254740993, x''), ('3', NULL, -0.5e300, 7)",
        &[model],
    )
    .await;
    let log = bed.captured("UPDATE t SET a = 'new', b = 2, c = x'01'").await;
    assert_eq!(
        log,
        [
            "U '1' X'00FF' 1.0 'text'",
            "U '2' '1' 9.007199254740992e+15 X''",
            "U '3' NULL -5.0e+299 7"
        ]
    );
}

#[tokio::test]
async fn changes_that_compare_as_equal_are_captured() {
    let model = model(
        "t",
        &[text("id")],
        &[
            nullable::<String>("nocase"),
            nullable::<Vec<u8>>("untyped"),
            nullable::<String>("text"),
        ],
    );
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, nocase TEXT COLLATE NOCASE, untyped, text TEXT);
         INSERT INTO t VALUES ('a', 'abc', 1, 'x')",
        &[model],
    )
    .await;
    assert_eq!(
        bed.captured("UPDATE t SET nocase = 'ABC'").await,
        ["U 'a' 'abc' 1 'x'"]
    );
    assert_eq!(
        bed.captured("UPDATE t SET untyped = 1.0").await,
        ["U 'a' 'ABC' 1 'x'"]
    );
    assert_eq!(
        bed.captured("UPDATE t SET untyped = '1'").await,
        ["U 'a' 'ABC' 1.0 'x'"]
    );
    assert_eq!(
        bed.captured("UPDATE t SET text = CAST('x' AS BLOB)").await,
        ["U 'a' 'ABC' '1' 'x'"]
    );
    assert!(
        bed.captured("UPDATE t SET nocase = 'ABC', untyped = '1'")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_change_of_any_of_many_columns_is_captured() {
    // Few are compared one by one, many as row values.
    for count in [3_usize, 63, 64, 65, 300] {
        let names: Vec<&'static str> = (0..count)
            .map(|at| -> &'static str { Box::leak(format!("f{at}").into_boxed_str()) })
            .collect();
        let fields: Vec<_> = names.iter().map(|name| nullable::<String>(name)).collect();
        let mut bed = Bed::new(
            &format!(
                "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, {} TEXT); INSERT INTO t(id, f0) VALUES ('a', 'x')",
                names.join(" TEXT, ")
            ),
            &[model("t", &[text("id")], &fields)],
        )
        .await;
        for name in [names[0], names[count / 2], names[count - 1]] {
            let log = bed.captured(&format!("UPDATE t SET {name} = 'new'")).await;
            assert_eq!(log.len(), 1, "{name} of {count}");
            let log = bed.captured(&format!("UPDATE t SET {name} = 'new'")).await;
            assert!(log.is_empty(), "{name} of {count} again: {log:?}");
        }
    }
}

#[tokio::test]
async fn ids_that_the_key_takes_for_the_same_are_told_apart() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v INTEGER); INSERT INTO t VALUES ('a', 1)",
        &[model("t", &[text("id")], &[nullable::<i64>("v")])],
    )
    .await;
    assert_eq!(
        bed.captured("REPLACE INTO t VALUES ('A', 2)").await,
        ["R 'a' 1", "I 'A'"]
    );
    assert_eq!(bed.captured("UPDATE t SET id = 'a'").await, ["D 'A' 2", "I 'a'"]);
}

#[tokio::test]
async fn integer_keys_are_captured_also_when_sqlite_chooses_them() {
    let model = model("t", &[integer("id")], &[nullable::<i64>("v")]);
    let mut bed = Bed::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (-1, 7)",
        &[model],
    )
    .await;
    assert_eq!(
        bed.captured("INSERT INTO t(v) VALUES (1)").await.last().unwrap(),
        "I 0"
    );
    assert_eq!(
        bed.captured("INSERT INTO t(id, v) VALUES (NULL, 1), (50, 1)")
            .await
            .last()
            .unwrap(),
        "I 50"
    );
    assert_eq!(bed.captured("REPLACE INTO t VALUES (50, 2)").await, ["R 50 1"]);
    assert_eq!(
        bed.captured("UPDATE t SET id = 51 WHERE id = 50").await,
        ["D 50 2", "I 51"]
    );
    for name in ["rowid", "oid", "_rowid_"] {
        let log = bed
            .captured(&format!("UPDATE t SET {name} = {name} + 1 WHERE id >= 51"))
            .await;
        assert_eq!(log.len(), 2, "{name}: {log:?}");
    }
    assert_eq!(
        bed.captured("UPDATE OR REPLACE t SET id = 1 WHERE id = 54").await,
        ["D 54 2", "R 1 1"]
    );
    assert_eq!(bed.captured("DELETE FROM t WHERE id = -1").await, ["D -1 7"]);
}

#[tokio::test]
async fn composite_keys_are_captured() {
    let model = model("t", &[integer("b"), text("a")], &[nullable::<i64>("v")]);
    for suffix in ["", " WITHOUT ROWID"] {
        let ddl = format!(
            "CREATE TABLE t(a TEXT NOT NULL, b INTEGER NOT NULL, v INTEGER, PRIMARY KEY (a, b)){suffix};
             INSERT INTO t VALUES ('p', 1, 10), ('p', 2, 20)"
        );
        let mut bed = Bed::new(&ddl, &[model]).await;
        assert_eq!(
            bed.captured("REPLACE INTO t VALUES ('p', 1, 11)").await,
            ["R 1 'p' 10"]
        );
        assert_eq!(
            bed.captured("INSERT INTO t VALUES ('q', 1, 11)").await,
            ["I 1 'q'"]
        );
        assert_eq!(
            bed.captured("UPDATE t SET a = 'r' WHERE a = 'q'").await,
            ["D 1 'q' 11", "I 1 'r'"]
        );
        assert_eq!(
            bed.captured("UPDATE OR REPLACE t SET b = 2 WHERE a = 'p' AND b = 1")
                .await,
            ["D 1 'p' 11", "R 2 'p' 20"]
        );
        assert_eq!(bed.captured("DELETE FROM t WHERE v = 11").await.len(), 2);
    }
}

#[tokio::test]
async fn a_table_of_nothing_but_its_key_is_captured() {
    let model = model("t", &[integer("a"), integer("b")], &[]);
    let mut bed = Bed::new(
        "CREATE TABLE t(a INTEGER, b INTEGER, PRIMARY KEY (a, b))",
        &[model],
    )
    .await;
    assert_eq!(bed.captured("INSERT INTO t VALUES (1, 2)").await, ["I 1 2"]);
    assert_eq!(bed.captured("UPDATE t SET b = 3").await, ["D 1 2", "I 1 3"]);
    assert_eq!(bed.captured("REPLACE INTO t VALUES (1, 3)").await, ["R 1 3"]);
    assert_eq!(bed.captured("DELETE FROM t").await, ["D 1 3"]);
}

#[tokio::test]
async fn rows_without_an_id_are_captured_and_do_not_fail() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER)",
        &[model("t", &[text("id")], &[nullable::<i64>("v")])],
    )
    .await;
    assert_eq!(
        bed.captured("INSERT INTO t VALUES (NULL, 1), (NULL, 2)").await,
        ["I NULL", "I NULL"]
    );
    assert_eq!(bed.captured("UPDATE t SET v = 3 WHERE v = 1").await, ["U NULL 1"]);
    assert_eq!(
        bed.captured("UPDATE t SET id = 'a' WHERE v = 3").await,
        ["D NULL 3", "I 'a'"]
    );
    assert_eq!(bed.captured("DELETE FROM t WHERE id IS NULL").await, ["D NULL 2"]);
}

#[tokio::test]
async fn counters_are_captured_as_the_value_before() {
    let model = model("t", &[text("id")], &[integer("n").counter()]);
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, n INTEGER NOT NULL); INSERT INTO t VALUES ('a', 10)",
        &[model],
    )
    .await;
    let log = bed
        .captured("UPDATE t SET n = n - 2; UPDATE t SET n = n - 3")
        .await;
    assert_eq!(log, ["U 'a' 10", "U 'a' 8"]);
}

#[tokio::test]
async fn generated_columns_stand_beside_and_may_be_unique() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, twice INTEGER AS (v * 2), kept INTEGER AS (v * 3) STORED UNIQUE);
         INSERT INTO t(id, v) VALUES ('a', 1), ('b', 2)",
        &[model("t", &[text("id")], &[nullable::<i64>("v")])],
    )
    .await;
    assert_eq!(
        bed.captured("UPDATE t SET v = 5 WHERE id = 'a'").await,
        ["U 'a' 1"]
    );
    assert_eq!(
        bed.captured("REPLACE INTO t(id, v) VALUES ('c', 2)").await,
        ["R 'b' 2", "I 'c'"]
    );
}

#[tokio::test]
async fn a_unique_key_beside_the_rowid_can_be_the_id() {
    let mut bed = Bed::new(
        "CREATE TABLE t(pk INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, v INTEGER); INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)",
        &[model("t", &[text("id")], &[nullable::<i64>("v")])],
    )
    .await;
    assert_eq!(
        bed.captured("INSERT INTO t(id, v) VALUES ('c', 3)").await,
        ["I 'c'"]
    );
    assert_eq!(
        bed.captured("REPLACE INTO t(id, v) VALUES ('a', 4)").await,
        ["R 'a' 1"]
    );
    assert_eq!(
        bed.captured("REPLACE INTO t VALUES (2, 'd', 5)").await,
        ["R 'b' 2", "I 'd'"]
    );
    let log = bed
        .captured("UPDATE OR REPLACE t SET pk = 2 WHERE id = 'c'")
        .await;
    assert_eq!(
        log,
        ["R 'd' 5"],
        "the row itself keeps its id and its mapped columns"
    );
}
