//! Random statements: the log must lead back to where they began.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sqlx::AssertSqlSafe;

use super::{Bed, integer, model, nullable, text};

/// Rows by id, each as `quote` shows it.
type Rows = BTreeMap<String, String>;

const TABLES: [&str; 2] = ["t", "n"];

fn statement() -> impl Strategy<Value = String> {
    let clause = prop::sample::select(vec!["", " OR REPLACE", " OR IGNORE", " OR FAIL"]);
    let value = prop::sample::select(vec!["1", "2", "NULL", "'x'", "x'31'", "1.0"]);
    let t = prop::sample::select(vec!["'a'", "'b'", "'c'", "'A'"]);
    let n = prop::sample::select(vec!["1", "2", "3", "-1", "NULL"]);
    let unique = prop::sample::select(vec!["'x'", "'y'", "'z'", "NULL"]);
    let insert = (clause.clone(), t.clone(), value.clone(), unique.clone()).prop_map(|(clause, id, v, u)| {
        format!("INSERT{clause} INTO t(id, v, u) VALUES ({id}, {v}, {u}), ('b', 5, 'y')")
    });
    let insert_n = (clause.clone(), n.clone(), value.clone())
        .prop_map(|(clause, id, v)| format!("INSERT{clause} INTO n(id, v) VALUES ({id}, {v})"));
    let upsert = (t.clone(), value.clone(), unique.clone()).prop_map(|(id, v, u)| {
        format!("INSERT INTO t(id, v, u) VALUES ({id}, {v}, {u}) ON CONFLICT (id) DO UPDATE SET v = excluded.v, u = excluded.u")
    });
    let update = (clause.clone(), t.clone(), value.clone(), unique)
        .prop_map(|(clause, id, v, u)| format!("UPDATE{clause} t SET v = {v}, u = {u} WHERE id >= {id}"));
    let rename = (clause.clone(), t.clone(), t.clone())
        .prop_map(|(clause, from, to)| format!("UPDATE{clause} t SET id = {to} WHERE id = {from}"));
    let rename_n = (clause, n.clone())
        .prop_map(|(clause, from)| format!("UPDATE{clause} n SET id = id + 1 WHERE id = {from}"));
    let delete = t.prop_map(|id| format!("DELETE FROM t WHERE id = {id}"));
    let delete_n = n.prop_map(|id| format!("DELETE FROM n WHERE id IS {id}"));
    let rare = prop::sample::select(vec![
        "DELETE FROM t",
        "UPDATE n SET v = t.v FROM t WHERE t.id = 'a'",
        "SAVEPOINT s",
        "ROLLBACK TO s",
        "RELEASE s",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => insert, 2 => insert_n, 2 => upsert, 3 => update, 2 => rename, 1 => rename_n, 3 => delete, 2 => delete_n, 2 => rare]
}

async fn rows(bed: &mut Bed, table: &str) -> Rows {
    let sql = format!("SELECT quote(id), quote(v) || ' ' || quote(u) FROM {table}");
    let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(&mut bed.conn)
        .await
        .unwrap();
    rows.into_iter().collect()
}

/// Of each id, whether an image is kept, the first entry's image, and whether a later one is an insert.
async fn entries(bed: &mut Bed, model: usize, after: i64) -> BTreeMap<String, (Option<String>, bool)> {
    let sql = format!(
        "SELECT kind, quote(k0), quote(c0) || ' ' || quote(c1) FROM {} WHERE seq > {after} ORDER BY seq",
        bed.layouts[model].outbox
    );
    let rows: Vec<(String, String, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(&mut bed.conn)
        .await
        .unwrap();
    let mut entries = BTreeMap::new();
    for (kind, id, image) in rows {
        let insert = kind == "I";
        let entry = entries
            .entry(id)
            .or_insert_with(|| ((!insert).then_some(image), false));
        entry.1 |= insert;
    }
    entries
}

async fn newest(bed: &mut Bed, model: usize) -> i64 {
    let sql = format!("SELECT coalesce(max(seq), 0) FROM {}", bed.layouts[model].outbox);
    bed.number(&sql).await
}

async fn prepared(without_rowid: bool, recursive: bool) -> Bed {
    let suffix = if without_rowid { " WITHOUT ROWID" } else { "" };
    let ddl = format!(
        "PRAGMA recursive_triggers = {recursive};
         CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v, u TEXT UNIQUE){suffix};
         CREATE TABLE n(id INTEGER PRIMARY KEY, v NUMERIC, u TEXT REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
         INSERT INTO t VALUES ('a', 1, 'x'), ('b', 2, 'y'); INSERT INTO n VALUES (1, 1, 'a'), (3, 3, 'b')"
    );
    let fields = [nullable::<Vec<u8>>("v"), nullable::<String>("u")];
    let numeric = [nullable::<i64>("v"), nullable::<String>("u")];
    Bed::new(
        &ddl,
        &[
            model("t", &[text("id")], &fields),
            model("n", &[integer("id")], &numeric),
        ],
    )
    .await
}

/// Runs one statement. Each row it changed must have an entry of its own: older ones may have been read already.
async fn step(bed: &mut Bed, statement: &str) -> Result<(), TestCaseError> {
    let was = [rows(bed, "t").await, rows(bed, "n").await];
    let newest = [newest(bed, 0).await, newest(bed, 1).await];
    // Many of them break a constraint, and then leave what SQLite says they leave.
    let _may_fail = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut bed.conn)
        .await;
    for (at, table) in TABLES
        .iter()
        .enumerate()
        .filter(|_| !statement.starts_with("ROLLBACK"))
    {
        let is = rows(bed, table).await;
        let added = entries(bed, at, newest[at]).await;
        for id in was[at].keys().chain(is.keys()) {
            let (was, is, added) = (was[at].get(id), is.get(id), added.get(id));
            prop_assert!(
                was == is || added.is_some(),
                "{} {}: no entry for {}",
                table,
                id,
                statement
            );
            let inserted = added.is_some_and(|entry| entry.1);
            prop_assert!(
                was.is_some() || is.is_none() || inserted,
                "{} {}: no insert for {}",
                table,
                id,
                statement
            );
        }
    }
    Ok(())
}

async fn leads_back(
    statements: &[String],
    without_rowid: bool,
    recursive: bool,
) -> Result<(), TestCaseError> {
    let mut bed = prepared(without_rowid, recursive).await;
    let before = [rows(&mut bed, "t").await, rows(&mut bed, "n").await];
    for statement in statements {
        step(&mut bed, statement).await?;
    }
    for (at, table) in TABLES.iter().enumerate() {
        let after = rows(&mut bed, table).await;
        let entries = entries(&mut bed, at, 0).await;
        let ids: BTreeSet<_> = before[at]
            .keys()
            .chain(after.keys())
            .chain(entries.keys())
            .collect();
        for id in ids {
            let (was, is) = (before[at].get(id), after.get(id));
            match entries.get(id) {
                Some((image, _)) => prop_assert_eq!(image.as_ref(), was, "{} {}: the first image", table, id),
                None => prop_assert_eq!(was, is, "{} {}: changed without an entry", table, id),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_images_are_the_rows_as_they_were(
        statements in prop::collection::vec(statement(), 1..12),
        without_rowid: bool,
        recursive: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(leads_back(&statements, without_rowid, recursive))?;
    }
}
