//! The native layer against a real database.

use ditto_sync_core::column::ColumnValue;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{ConstraintKind, Native, NativeError};

async fn connection() -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().in_memory(true))
        .await
        .unwrap()
}

fn values() -> Vec<ColumnValue> {
    vec![
        ColumnValue::Null,
        ColumnValue::Integer(i64::MIN),
        ColumnValue::Integer(i64::MAX),
        ColumnValue::Integer(0),
        ColumnValue::Real(-0.1),
        ColumnValue::Real(f64::MAX),
        ColumnValue::Text(String::new()),
        ColumnValue::Text("a\0b".to_owned()),
        ColumnValue::Text("žluťoučký 🐎".to_owned()),
        ColumnValue::Blob(Vec::new()),
        ColumnValue::Blob(vec![0, 255, 0]),
    ]
}

#[tokio::test]
async fn every_storage_class_comes_back_exactly() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native.execute("CREATE TABLE t(a)").unwrap();
    for value in values() {
        for copied in [true, false] {
            native.execute("DELETE FROM t").unwrap();
            let mut insert = native.prepare("INSERT INTO t VALUES (?)").unwrap();
            if copied {
                insert.bind_all([&value]).unwrap();
                insert.run().unwrap();
            } else {
                insert.run_with(&[&value]).unwrap();
            }
            assert_eq!(native.changes(), 1);
            let mut select = native
                .prepare("SELECT a, length(CAST(a AS BLOB)) FROM t")
                .unwrap();
            assert!(select.step().unwrap());
            assert_eq!(select.column_count(), 2);
            let back = select.column(0).unwrap();
            assert_eq!(back, value);
            assert_eq!(back.class_name(), value.class_name());
            assert_eq!(select.is_null(0), value.is_null());
            if let ColumnValue::Text(text) = &value {
                assert_eq!(select.column_text(0).unwrap(), text);
                assert_eq!(usize::try_from(select.column_i64(1)).unwrap(), text.len());
            }
            if let ColumnValue::Blob(blob) = &value {
                assert_eq!(select.column_blob(0).unwrap(), blob);
            }
            assert!(!select.step().unwrap());
        }
    }
}

#[tokio::test]
async fn columns_of_one_statement_are_parameters_of_another_and_stay_when_that_moves_on() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    let values = values();
    let list = vec!["?"; values.len()].join(", ");
    let mut from = native
        .prepare(&format!(
            "SELECT 'first', {list} UNION ALL SELECT 'second', {list}"
        ))
        .unwrap();
    from.bind_all(values.iter().chain(&values)).unwrap();
    assert!(from.step().unwrap());
    let mut to = native.prepare(&format!("SELECT {list}")).unwrap();
    to.bind_columns(&from, (1, values.len())).unwrap();
    assert!(from.step().unwrap());
    drop(from);
    assert!(to.step().unwrap());
    for (at, value) in values.iter().enumerate() {
        let back = to.column(at).unwrap();
        assert_eq!((&back, back.class_name()), (value, value.class_name()));
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_an_error_and_a_blob_cast_reads_it() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    let mut select = native
        .prepare("SELECT 1, CAST(x'ff41' AS TEXT), CAST(CAST(x'ff41' AS TEXT) AS BLOB)")
        .unwrap();
    assert!(select.step().unwrap());
    assert!(matches!(
        select.column(1),
        Err(NativeError::InvalidText { column: 1 })
    ));
    assert_eq!(select.column(2).unwrap(), ColumnValue::Blob(vec![0xff, 0x41]));
}

#[tokio::test]
async fn reading_as_another_class_is_an_error() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    let mut select = native.prepare("SELECT 'text', x'00', NULL, 5").unwrap();
    assert!(select.step().unwrap());
    assert!(matches!(
        select.column_blob(0),
        Err(NativeError::WrongType { column: 0, .. })
    ));
    assert!(matches!(
        select.column_text(1),
        Err(NativeError::WrongType { column: 1, .. })
    ));
    assert!(matches!(
        select.column_text(2),
        Err(NativeError::WrongType { column: 2, .. })
    ));
    assert_eq!(select.column_i64(2), 0);
    assert_eq!(select.column_i64(3), 5);
}

#[tokio::test]
async fn parameters_survive_a_reset_but_not_run_with() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    let mut select = native.prepare("SELECT ?").unwrap();
    select.bind_i64(1, 7).unwrap();
    for _ in 0..2 {
        assert!(select.step().unwrap());
        assert_eq!(select.column_i64(0), 7);
        select.reset();
    }
    select.run_with(&[&ColumnValue::Text("gone".to_owned())]).unwrap();
    assert!(select.step().unwrap());
    assert!(select.is_null(0));
}

#[tokio::test]
async fn a_key_and_the_columns_behind_it_are_parameters_in_this_order() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native.execute("CREATE TABLE t(a, b, c)").unwrap();
    let mut insert = native.prepare("INSERT INTO t VALUES (?, ?, ?)").unwrap();
    let row = ["key", "one", "two"].map(|text| ColumnValue::Text(text.to_owned()));
    for keys in 0..=row.len() {
        let (key, columns) = row.split_at(keys);
        insert.run_with_row(key, columns).unwrap();
    }
    assert!(insert.run_with_row(&row, &row).is_err(), "three parameters");
    insert.run().unwrap();
    drop(insert);
    let mut select = native.prepare("SELECT a, b, c FROM t ORDER BY rowid").unwrap();
    for _ in 0..=row.len() {
        assert!(select.step().unwrap());
        let found: [_; 3] = std::array::from_fn(|at| select.column(at).unwrap());
        assert_eq!(found, row);
    }
    assert!(select.step().unwrap(), "the one after the error");
    assert!((0..3).all(|at| select.is_null(at)), "nothing borrowed is left");
}

#[tokio::test]
async fn execute_runs_several_statements_and_skips_blanks_and_comments() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native.execute("").unwrap();
    native
        .execute("CREATE TABLE t(a); -- one\n;; INSERT INTO t VALUES (1), (2); SELECT * FROM t;  /* end */ ")
        .unwrap();
    let mut count = native.prepare("SELECT count(*) FROM t;  ").unwrap();
    assert!(count.step().unwrap());
    assert_eq!(count.column_i64(0), 2);
    let error = native
        .execute("INSERT INTO t VALUES (3); INSERT INTO missing VALUES (1)")
        .unwrap_err();
    assert_eq!(error.code(), Some(libsqlite3_sys::SQLITE_ERROR), "{error}");
    assert_eq!(native.changes(), 1, "the statement before the error has run");
}

#[tokio::test]
async fn prepare_takes_exactly_one_statement() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    for sql in ["", "  ", "-- nothing", "SELECT 1; SELECT 2"] {
        assert!(
            matches!(native.prepare(sql), Err(NativeError::NotOneStatement)),
            "{sql}"
        );
    }
    let Err(error) = native.prepare("SELECT * FROM missing") else {
        panic!("the table is missing")
    };
    assert_eq!(error.code(), Some(libsqlite3_sys::SQLITE_ERROR));
    assert!(error.to_string().contains("no such table: missing"), "{error}");
}

#[tokio::test]
async fn disabled_triggers_do_not_fire_while_cascades_do() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native
        .execute(
            "CREATE TABLE parent(id INTEGER PRIMARY KEY);
             CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);
             CREATE TABLE log(what);
             CREATE TRIGGER parent_gone AFTER DELETE ON parent BEGIN INSERT INTO log VALUES ('parent'); END;
             CREATE TRIGGER child_gone AFTER DELETE ON child BEGIN INSERT INTO log VALUES ('child'); END;",
        )
        .unwrap();
    let mut logged = Vec::new();
    for enabled in [true, false, true] {
        native.set_triggers_enabled(enabled).unwrap();
        native
            .execute("INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1); DELETE FROM parent")
            .unwrap();
        let mut counts = native
            .prepare("SELECT (SELECT count(*) FROM child), (SELECT count(*) FROM log)")
            .unwrap();
        assert!(counts.step().unwrap());
        assert_eq!(counts.column_i64(0), 0, "the cascade runs either way");
        logged.push(counts.column_i64(1));
    }
    assert_eq!(logged, [2, 2, 4]);
}

#[tokio::test]
async fn unresolved_foreign_keys_are_seen_before_commit() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native
        .execute(
            "CREATE TABLE parent(id INTEGER PRIMARY KEY);
             CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             BEGIN; INSERT INTO child VALUES (1, 9)",
        )
        .unwrap();
    assert!(native.has_unresolved_foreign_keys());
    native.execute("INSERT INTO parent VALUES (9)").unwrap();
    assert!(!native.has_unresolved_foreign_keys());
    native.execute("COMMIT").unwrap();
}

#[tokio::test]
async fn broken_constraints_are_told_apart() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    native
        .execute(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL DEFAULT 1, c CHECK (c > 0), f REFERENCES t(id));
             CREATE TABLE w(id TEXT PRIMARY KEY) WITHOUT ROWID;
             CREATE TABLE s(a INTEGER) STRICT;
             CREATE TRIGGER no_nines BEFORE INSERT ON t WHEN NEW.id = 9 BEGIN SELECT RAISE(ABORT, 'no nines'); END;
             INSERT INTO t(id, u) VALUES (1, 'a'); INSERT INTO w VALUES ('a')",
        )
        .unwrap();
    for (sql, kind) in [
        ("INSERT INTO t(id) VALUES (1)", ConstraintKind::PrimaryKey),
        ("INSERT INTO w VALUES ('a')", ConstraintKind::PrimaryKey),
        ("INSERT INTO t(u) VALUES ('a')", ConstraintKind::Unique),
        ("INSERT INTO t(n) VALUES (NULL)", ConstraintKind::NotNull),
        ("INSERT INTO t(c) VALUES (0)", ConstraintKind::Check),
        ("INSERT INTO t(f) VALUES (77)", ConstraintKind::ForeignKey),
        ("INSERT INTO t(id) VALUES (9)", ConstraintKind::Trigger),
        ("INSERT INTO s VALUES ('x')", ConstraintKind::DataType),
    ] {
        let error = native.execute(sql).unwrap_err();
        assert_eq!(error.constraint(), Some(kind), "{sql}: {error}");
        assert!(error.is_constraint());
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_an_error() {
    let mut connection = connection().await;
    let native = Native::lock(&mut connection).await.unwrap();
    let mut select = native.prepare("SELECT ?").unwrap();
    let error = select.bind_i64(2, 1).unwrap_err();
    assert_eq!(error.code(), Some(libsqlite3_sys::SQLITE_RANGE), "{error}");
    assert!(
        select
            .run_with(&[&ColumnValue::Null, &ColumnValue::Null])
            .is_err()
    );
}

#[tokio::test]
async fn the_connection_works_and_closes_after_native_use_in_its_transaction() {
    let mut connection = connection().await;
    sqlx::raw_sql("CREATE TABLE t(a)")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut transaction = connection.begin().await.unwrap();
    {
        let native = Native::lock(&mut transaction).await.unwrap();
        let mut insert = native.prepare("INSERT INTO t VALUES (?)").unwrap();
        insert.bind_i64(1, 1).unwrap();
        insert.run().unwrap();
        let mut select = native.prepare("SELECT * FROM t").unwrap();
        assert!(select.step().unwrap(), "left in the middle of a row");
    }
    transaction.rollback().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(count, 0);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_native_handle_may_wait_in_a_task() {
    let handle = tokio::spawn(async {
        let mut connection = connection().await;
        let native = Native::lock(&mut connection).await.unwrap();
        native.execute("CREATE TABLE t(a)").unwrap();
        tokio::task::yield_now().await;
        native.execute("INSERT INTO t VALUES (1)").unwrap();
        native.changes()
    });
    assert_eq!(handle.await.unwrap(), 1);
}
