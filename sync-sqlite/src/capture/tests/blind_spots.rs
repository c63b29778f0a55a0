//! What triggers are known to miss: cascades, the app's own triggers, other connections, partial indexes.

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Bed, FORMS, integer, model, nullable, text};
use crate::prepare::prepare;

#[tokio::test]
async fn cascades_are_captured_in_the_children() {
    let parent = model("p", &[text("id")], &[nullable::<i64>("v")]);
    let child = model("c", &[text("id")], &[nullable::<String>("p")]);
    let setting = model("s", &[text("id")], &[nullable::<String>("p")]);
    for recursive in ["OFF", "ON"] {
        let ddl = format!(
            "PRAGMA recursive_triggers = {recursive};
             CREATE TABLE p(id TEXT PRIMARY KEY, v INTEGER);
             CREATE TABLE c(id TEXT PRIMARY KEY, p TEXT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
             CREATE TABLE s(id TEXT PRIMARY KEY, p TEXT REFERENCES p ON DELETE SET NULL);
             INSERT INTO p VALUES ('p1', 1); INSERT INTO c VALUES ('c1', 'p1'), ('c2', 'p1');"
        );
        let mut bed = Bed::new(&ddl, &[parent, child, setting]).await;
        bed.run("UPDATE p SET id = 'p2'").await;
        assert_eq!(bed.log().await, ["D 'p1' 1", "I 'p2'"]);
        assert_eq!(bed.log_of(1).await, ["U 'c1' 'p1'", "U 'c2' 'p1'"]);
        bed.run("INSERT INTO s VALUES ('s1', 'p2')").await;
        bed.clear().await;
        bed.run("DELETE FROM p").await;
        assert_eq!(bed.log().await, ["D 'p2' 1"]);
        assert_eq!(bed.log_of(1).await, ["D 'c1' 'p2'", "D 'c2' 'p2'"]);
        assert_eq!(bed.log_of(2).await, ["U 's1' 'p2'"]);
    }
}

#[tokio::test]
async fn a_replaced_parent_takes_its_children_along() {
    let node = model(
        "n",
        &[integer("id")],
        &[nullable::<i64>("parent"), nullable::<i64>("v")],
    );
    let mut bed = Bed::new(
        "CREATE TABLE n(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES n ON DELETE CASCADE, v INTEGER);
         INSERT INTO n VALUES (1, NULL, 1), (2, 1, 2), (3, 2, 3)",
        &[node],
    )
    .await;
    let log = bed.captured("DELETE FROM n WHERE id = 2").await;
    assert_eq!(log, ["D 2 1 2", "D 3 2 3"]);
    bed.run("INSERT INTO n VALUES (2, 1, 2)").await;
    let log = bed.captured("REPLACE INTO n VALUES (1, NULL, 9)").await;
    assert!(
        log.contains(&"D 2 1 2".to_owned()) && log[0].ends_with("1 NULL 1"),
        "{log:?}"
    );
}

#[tokio::test]
async fn what_the_apps_own_triggers_write_is_captured_in_order() {
    // Created before ours, and after: SQLite fires the newest trigger first.
    for late in [false, true] {
        let stamp = "CREATE TRIGGER stamp AFTER UPDATE OF v ON t BEGIN UPDATE t SET stamp = 's' WHERE id = NEW.id; END;
                     CREATE TRIGGER copy AFTER INSERT ON t BEGIN UPDATE t SET stamp = 'i' WHERE id = NEW.id; END;";
        let ddl =
            "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, stamp TEXT); INSERT INTO t VALUES ('a', 1, 'o');";
        let items = model(
            "t",
            &[text("id")],
            &[nullable::<i64>("v"), nullable::<String>("stamp")],
        );
        let mut bed = Bed::new(&format!("{ddl}{}", if late { "" } else { stamp }), &[items]).await;
        if late {
            bed.run(stamp).await;
        }
        let log = bed.captured("UPDATE t SET v = 2").await;
        assert_eq!(
            log,
            ["U 'a' 1 'o'", "U 'a' 2 'o'"],
            "the oldest image comes first"
        );
        bed.prepare(&[items]).await;
        assert!(!bed.layouts[0].reinstalled, "nothing was missed");
        assert_eq!(
            bed.captured("INSERT INTO t VALUES ('b', 1, NULL)").await,
            ["I 'b'", "U 'b' 1 NULL"]
        );
    }
}

#[tokio::test]
async fn a_write_inside_a_trigger_of_another_table_is_captured() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER); CREATE TABLE other(x);
         CREATE TRIGGER into_t AFTER INSERT ON other BEGIN INSERT OR REPLACE INTO t VALUES ('a', NEW.x); END;
         INSERT INTO other VALUES (1)",
        &[model("t", &[text("id")], &[nullable::<i64>("v")])],
    )
    .await;
    assert_eq!(
        bed.captured("INSERT OR IGNORE INTO other VALUES (2)").await,
        ["R 'a' 1"]
    );
    assert_eq!(bed.captured("INSERT INTO other VALUES (2)").await, ["R 'a' 1"]);
}

#[tokio::test]
async fn another_process_without_our_library_is_captured() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("app.db"))
        .create_if_missing(true);
    let mut ours = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, u TEXT); INSERT INTO t VALUES ('a', 1, 'x')",
    )
    .execute(&mut ours)
    .await
    .unwrap();
    let layouts = prepare(&mut ours, &[super::items()], "app.db").await.unwrap();
    let mut bed = Bed { conn: ours, layouts };

    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("UPDATE t SET v = 2; REPLACE INTO t VALUES ('a', 3, 'x'); DELETE FROM t; INSERT INTO t(id) VALUES ('b')")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(
        bed.log().await,
        ["U 'a' 1 'x'", "R 'a' 2 'x'", "U 'a' 3 'x'", "I 'b'"]
    );
}

#[tokio::test]
async fn partial_unique_indexes_are_watched_and_those_on_expressions_are_not() {
    let mut bed = Bed::new(
        "CREATE TABLE t(id TEXT PRIMARY KEY, v INTEGER, u TEXT);
         CREATE UNIQUE INDEX partial ON t(u) WHERE v > 0; CREATE UNIQUE INDEX lower_u ON t(lower(u), v);
         INSERT INTO t VALUES ('a', 1, 'x'), ('b', 2, 'y')",
        &[super::items()],
    )
    .await;
    assert_eq!(
        bed.captured("REPLACE INTO t VALUES ('c', 3, 'y')").await,
        ["R 'b' 2 'y'", "I 'c'"]
    );
    assert_eq!(bed.layouts[0].shape.expression_indexes, ["lower_u"]);
}

#[tokio::test]
async fn the_guard_hides_exactly_the_row_being_applied() {
    for form in FORMS {
        let mut bed = Bed::items(form).await;
        let number = bed.layouts[0].number;
        let guard = format!("UPDATE ditto_sync_guard SET active = {number}, k0 = 'a'");
        bed.run(&guard).await;
        assert!(bed.captured("UPDATE t SET v = 7 WHERE id = 'a'").await.is_empty());
        assert!(
            bed.captured("REPLACE INTO t(id, v, u) VALUES ('a', 8, 'x')")
                .await
                .is_empty()
        );
        assert!(bed.captured("DELETE FROM t WHERE id = 'a'").await.is_empty());
        assert!(
            bed.captured("INSERT INTO t(id, v) VALUES ('a', 9)")
                .await
                .is_empty()
        );
        assert_eq!(
            bed.captured("UPDATE t SET v = 0").await,
            ["U 'b' 2 'y'", "U 'c' 3 'z'"]
        );
        bed.run("UPDATE ditto_sync_guard SET active = active + 1").await;
        assert_eq!(
            bed.captured("UPDATE t SET v = 1 WHERE id = 'a'").await,
            ["U 'a' 0 NULL"],
            "another model's"
        );
        bed.run("UPDATE ditto_sync_guard SET active = -1").await;
        assert!(bed.captured("UPDATE t SET v = 5; DELETE FROM t").await.is_empty());
        bed.run("UPDATE ditto_sync_guard SET active = 0").await;
        assert_eq!(bed.captured("INSERT INTO t(id) VALUES ('a')").await, ["I 'a'"]);
    }
}

#[tokio::test]
async fn an_apps_trigger_can_stand_aside() {
    let mut bed = Bed::items(FORMS[0]).await;
    bed.run(
        "CREATE TRIGGER derived AFTER UPDATE ON t WHEN NOT (SELECT active FROM ditto_sync_guard)
         BEGIN UPDATE t SET v = v + 100 WHERE id = 'b'; END",
    )
    .await;
    bed.run("UPDATE ditto_sync_guard SET active = -1; UPDATE t SET v = 5 WHERE id = 'a'")
        .await;
    assert_eq!(bed.number("SELECT v FROM t WHERE id = 'b'").await, 2);
    bed.run("UPDATE ditto_sync_guard SET active = 0; UPDATE t SET v = 6 WHERE id = 'a'")
        .await;
    assert_eq!(bed.number("SELECT v FROM t WHERE id = 'b'").await, 102);
}
