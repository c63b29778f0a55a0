//! What capture costs the app, and what reading and dropping the entries costs us: typed columns per table (what we do) beside no capture, JSON text
//! in one shared log, and one shared wide log with positional columns. All in one run, taking turns; the figures are medians.
//!
//! `cargo bench --bench capture`. Triggers of the compared layouts do what ours do; only the outbox differs.
#![expect(clippy::print_stdout, reason = "a bench reports to its reader")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ditto_sync::{DittoField, FieldDescriptor, ModelDescriptor, Repository as _, SqliteRepository};
use rusqlite::{
    Connection, params,
    types::{Value, ValueRef},
};

const ROWS: usize = 10_000;
const AUTOCOMMITS: usize = 2_000;
const ROUNDS: usize = 7;
/// Key and other columns of the table: what the outboxes keep.
const COLUMNS: [&str; 10] = [
    "branch", "product", "note", "barcode", "price", "tax", "quantity", "sold", "active", "touched",
];

const fn field<T: DittoField>(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<T>(name, name, name)
}

static IDS: [FieldDescriptor; 1] = [field::<String>("id")];
static FIELDS: [FieldDescriptor; 10] = [
    field::<String>("branch"),
    field::<Option<String>>("product"),
    field::<Option<String>>("note"),
    field::<Option<Vec<u8>>>("barcode"),
    field::<f64>("price"),
    field::<f64>("tax"),
    field::<i64>("quantity"),
    field::<i64>("sold"),
    field::<bool>("active"),
    field::<String>("touched"),
];
static MODEL: ModelDescriptor = ModelDescriptor::new("Stock", "stocks", "stocks", &IDS, &FIELDS);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    None,
    Typed,
    Json,
    Wide,
}

const LAYOUTS: [Layout; 4] = [Layout::None, Layout::Typed, Layout::Json, Layout::Wide];

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no capture",
            Self::Typed => "typed columns per table (ours)",
            Self::Json => "JSON text in one shared log",
            Self::Wide => "one shared wide log",
        }
    }
}

type Workload = (&'static str, usize, fn(&mut Connection, Layout) -> Duration);

const WORKLOADS: [Workload; 9] = [
    ("UPDATE of all rows in one statement", ROWS, bulk_update),
    ("prepared UPDATEs in one transaction", ROWS, update_loop),
    (
        "the same values again, in one transaction",
        ROWS,
        idle_update_loop,
    ),
    ("autocommitted UPDATEs", AUTOCOMMITS, autocommit_updates),
    ("prepared INSERTs in one transaction", ROWS, insert_loop),
    ("reading the entries with their rows", ROWS, drain),
    ("applying documents to dirty rows: the base moves", ROWS, rebase),
    ("dropping the entries", ROWS, acknowledge),
    (
        "applying documents to clean rows, guarded one by one",
        ROWS,
        apply_guarded,
    ),
];

fn main() {
    let mut times = vec![vec![Vec::new(); LAYOUTS.len()]; WORKLOADS.len()];
    for _ in 0..ROUNDS {
        for (at, layout) in LAYOUTS.into_iter().enumerate() {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let mut connection = database(&directory.path().join("bench.db"), layout);
            for ((_, _, run), times) in WORKLOADS.iter().zip(&mut times) {
                // Checkpoints would fall into one workload or another, as the sizes of the layouts will have it.
                connection
                    .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
                    .expect("checkpoints");
                times[at].push(run(&mut connection, layout));
            }
        }
    }
    for ((name, rows, _), times) in WORKLOADS.iter().zip(&times) {
        println!("\n{name}");
        let medians: Vec<_> = times.iter().map(|times| micros_per_row(times, *rows)).collect();
        // Without capture there is nothing to read or to drop.
        let measured = || LAYOUTS.iter().zip(&medians).filter(|(_, micros)| **micros > 0.0);
        let base = measured().next().map_or(1.0, |(_, micros)| *micros);
        for (layout, micros) in measured() {
            println!(
                "  {:<32} {micros:>8.2} us/row  {:>5.2}x",
                layout.name(),
                micros / base
            );
        }
    }
}

fn micros_per_row(times: &[Duration], rows: usize) -> f64 {
    let mut times: Vec<_> = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6 / rows as f64
}

fn database(path: &Path, layout: Layout) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE stocks(id TEXT PRIMARY KEY NOT NULL, branch TEXT NOT NULL, product TEXT, note TEXT, barcode BLOB, price REAL NOT NULL,
                tax REAL NOT NULL, quantity INTEGER NOT NULL, sold INTEGER NOT NULL, active INTEGER NOT NULL, touched TEXT NOT NULL);",
        )
        .expect("creates the table");
    fill(&connection, 0);
    match layout {
        Layout::None => {}
        Layout::Typed => install_ours(path),
        Layout::Json | Layout::Wide => connection
            .execute_batch(&triggers(layout))
            .expect("creates the triggers"),
    }
    connection
}

fn fill(connection: &Connection, first: usize) {
    let mut insert = connection
        .prepare("INSERT INTO stocks VALUES (?1, 'kigali-1', ?2, NULL, x'0102030405060708', ?3, 0.18, ?4, 0, 1, '2024-05-01T10:20:30.000Z')")
        .expect("prepares");
    connection.execute_batch("BEGIN").expect("begins");
    for at in first..first + ROWS {
        let id = format!("stock-{at:08}-5f2b8c6e");
        let product = format!("Product number {at}");
        insert
            .execute(params![id, product, at as f64 / 7.0, 100])
            .expect("inserts");
    }
    connection.execute_batch("COMMIT").expect("commits");
}

fn install_ours(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let repository = SqliteRepository::open(path).await.expect("opens");
        repository.prepare(&[&MODEL]).await.expect("prepares");
        repository.close().await;
        repository.pool().close().await;
    });
}

/// Triggers that do what ours do for a table without further unique keys, with another outbox.
fn triggers(layout: Layout) -> String {
    let image = |row: &str| {
        let columns: Vec<_> = COLUMNS.iter().map(|column| format!("{row}.{column}")).collect();
        match layout {
            // JSON has no blobs.
            Layout::Json => format!(
                "json_array({})",
                columns
                    .join(", ")
                    .replace(&format!("{row}.barcode"), &format!("hex({row}.barcode)"))
            ),
            _ => columns.join(", "),
        }
    };
    let columns = match layout {
        Layout::Json => "image".to_owned(),
        _ => (0..COLUMNS.len())
            .map(|at| format!("c{at}"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let head = format!("INSERT INTO log(tbl, kind, k0, {columns})");
    let free = |row: &str| {
        format!(
            "NOT EXISTS (SELECT 1 FROM guard WHERE active <> 0 AND (active < 0 OR (active = 1 AND k0 IS {row}.id)))"
        )
    };
    let sides = ["OLD", "NEW"].map(|row| {
        COLUMNS
            .map(|column| format!("{row}.{column} COLLATE BINARY"))
            .join(", ")
    });
    let newest =
        "coalesce((SELECT kind = 'R' AND tbl = 1 AND k0 IS NEW.id FROM log ORDER BY seq DESC LIMIT 1), 0)";
    let exists = "EXISTS (SELECT 1 FROM stocks AS r WHERE r.id = NEW.id)";
    format!(
        "CREATE TABLE guard(one INTEGER PRIMARY KEY, active INTEGER, k0); INSERT INTO guard VALUES (1, 0, NULL);
         CREATE TABLE log(seq INTEGER PRIMARY KEY, tbl INTEGER, kind TEXT, k0, {columns});
         CREATE TRIGGER update_before BEFORE UPDATE OF {updated} ON stocks
         WHEN NOT (OLD.id COLLATE BINARY IS NOT NEW.id) AND ({old}) IS NOT ({new}) AND {free_old}
         BEGIN {head} VALUES (1, 'U', OLD.id, {image_old}); END;
         CREATE TRIGGER delete_before BEFORE DELETE ON stocks WHEN {free_old} BEGIN {head} VALUES (1, 'D', OLD.id, {image_old}); END;
         CREATE TRIGGER insert_before BEFORE INSERT ON stocks WHEN ({newest} OR {exists}) AND {free_new} BEGIN
            UPDATE log SET kind = 'D' WHERE seq = (SELECT max(seq) FROM log) AND {newest} AND NOT {exists};
            {head} SELECT 1, 'R', r.id, {image_r} FROM stocks AS r WHERE r.id = NEW.id; END;
         CREATE TRIGGER insert_after AFTER INSERT ON stocks WHEN NOT {newest} AND {free_new} BEGIN
            INSERT INTO log(tbl, kind, k0) VALUES (1, 'I', NEW.id); END;",
        updated = COLUMNS.join(", "),
        old = sides[0],
        new = sides[1],
        free_old = free("OLD"),
        free_new = free("NEW"),
        image_old = image("OLD"),
        image_r = image("r"),
    )
}

fn log_table(layout: Layout) -> &'static str {
    match layout {
        Layout::Typed => "ditto_sync_outbox_1",
        _ => "log",
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn bulk_update(connection: &mut Connection, _: Layout) -> Duration {
    timed(|| {
        let changed = connection.execute(
            "UPDATE stocks SET quantity = quantity - 1, price = price * 1.1",
            [],
        );
        assert_eq!(changed, Ok(ROWS));
    })
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("stock-{at:08}-5f2b8c6e")).collect()
}

fn update_loop(connection: &mut Connection, _: Layout) -> Duration {
    update_each(
        connection,
        "UPDATE stocks SET quantity = quantity - 1, touched = '2024-05-02T10:20:30.000Z' WHERE id = ?1",
    )
}

fn idle_update_loop(connection: &mut Connection, _: Layout) -> Duration {
    update_each(
        connection,
        "UPDATE stocks SET quantity = quantity, touched = touched WHERE id = ?1",
    )
}

fn update_each(connection: &mut Connection, sql: &str) -> Duration {
    let ids = ids(ROWS);
    timed(|| {
        let transaction = connection.transaction().expect("begins");
        let mut update = transaction.prepare(sql).expect("prepares");
        for id in &ids {
            update.execute([id]).expect("updates");
        }
        drop(update);
        transaction.commit().expect("commits");
    })
}

fn autocommit_updates(connection: &mut Connection, _: Layout) -> Duration {
    let ids = ids(AUTOCOMMITS);
    let mut update = connection
        .prepare("UPDATE stocks SET quantity = quantity - 1 WHERE id = ?1")
        .expect("prepares");
    timed(|| {
        for id in &ids {
            update.execute([id]).expect("updates");
        }
    })
}

fn insert_loop(connection: &mut Connection, _: Layout) -> Duration {
    timed(|| fill(connection, ROWS))
}

/// Of the newest entries, as many as there are rows.
fn drain(connection: &mut Connection, layout: Layout) -> Duration {
    if layout == Layout::None {
        return Duration::ZERO;
    }
    connection
        .execute_batch("UPDATE stocks SET quantity = quantity + 5 WHERE rowid <= 10000")
        .expect("updates");
    let sql = format!(
        "SELECT l.*, s.* FROM {log} AS l LEFT JOIN stocks AS s ON s.id = l.k0 WHERE seq > (SELECT max(seq) FROM {log}) - {ROWS} ORDER BY seq",
        log = log_table(layout)
    );
    let mut select = connection.prepare(&sql).expect("prepares");
    let image = select.column_index("image").ok();
    let columns = select.column_count();
    timed(|| {
        let mut rows = select.query([]).expect("runs");
        let mut read = 0;
        while let Some(row) = rows.next().expect("steps") {
            let mut bytes = 0;
            for column in 0..columns {
                bytes += match row.get_ref(column).expect("a column") {
                    ValueRef::Text(text) | ValueRef::Blob(text) => text.to_vec().len(),
                    _ => 8,
                };
            }
            if let Some(ValueRef::Text(text)) = image.map(|at| row.get_ref(at).expect("the image")) {
                let values: Vec<serde_json::Value> = serde_json::from_slice(text).expect("is JSON");
                bytes += values.len();
            }
            assert!(bytes > 0);
            read += 1;
        }
        assert_eq!(read, ROWS);
    })
}

/// What an apply does to a row with unsent changes: it reads the OLD image of its first entry, and writes the document's in its place.
fn rebase(connection: &mut Connection, layout: Layout) -> Duration {
    if layout == Layout::None {
        return Duration::ZERO;
    }
    let log = log_table(layout);
    let (columns, set) = match layout {
        Layout::Json => ("image".to_owned(), "image = ?2".to_owned()),
        _ => {
            let columns: Vec<_> = (0..COLUMNS.len()).map(|at| format!("c{at}")).collect();
            let set: Vec<_> = columns
                .iter()
                .zip(2..)
                .map(|(column, at)| format!("{column} = ?{at}"))
                .collect();
            (columns.join(", "), set.join(", "))
        }
    };
    let select = format!("SELECT {columns} FROM {log} WHERE seq = ?1");
    let update = format!("UPDATE {log} SET {set} WHERE seq = ?1");
    timed(|| {
        let transaction = connection.transaction().expect("begins");
        let (mut select, mut update) = (
            transaction.prepare(&select).expect("prepares"),
            transaction.prepare(&update).expect("prepares"),
        );
        for seq in 1..=i64::try_from(ROWS).expect("a small number") {
            let mut image: Vec<Value> = select
                .query_row([seq], |row| match layout {
                    Layout::Json => row.get::<_, String>(0).map(|text| from_json(&text)),
                    _ => (0..COLUMNS.len()).map(|at| row.get(at)).collect(),
                })
                .expect("an entry");
            image[2] = Value::Text("moved".to_owned());
            let changed = match layout {
                Layout::Json => update.execute(params![seq, to_json(&image)]),
                _ => {
                    let seq = Value::Integer(seq);
                    update.execute(rusqlite::params_from_iter(std::iter::once(&seq).chain(&image)))
                }
            };
            assert_eq!(changed, Ok(1));
        }
        drop((select, update));
        transaction.commit().expect("commits");
    })
}

fn from_json(text: &str) -> Vec<Value> {
    let values: Vec<serde_json::Value> = serde_json::from_str(text).expect("is JSON");
    let value = |value: serde_json::Value| match value {
        serde_json::Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Real(number.as_f64().expect("a float")), Value::Integer),
        serde_json::Value::String(text) => Value::Text(text),
        _ => Value::Null,
    };
    values.into_iter().map(value).collect()
}

fn to_json(image: &[Value]) -> String {
    let value = |value: &Value| match value {
        Value::Integer(integer) => (*integer).into(),
        Value::Real(real) => (*real).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Blob(_) | Value::Null => serde_json::Value::Null,
    };
    serde_json::Value::Array(image.iter().map(value).collect()).to_string()
}

/// Documents written over clean rows, with the triggers on and the guard naming each row: what a table with triggers of the app's own needs.
fn apply_guarded(connection: &mut Connection, layout: Layout) -> Duration {
    let guard = match layout {
        Layout::None => None,
        Layout::Typed => Some("UPDATE ditto_sync_guard SET active = 1, k0 = ?1"),
        Layout::Json | Layout::Wide => Some("UPDATE guard SET active = 1, k0 = ?1"),
    };
    let ids = ids(ROWS);
    timed(|| {
        let transaction = connection.transaction().expect("begins");
        let mut guard = guard.map(|sql| transaction.prepare(sql).expect("prepares"));
        let mut update = transaction
            .prepare(
                "UPDATE stocks SET product = 'applied', price = 2.5, quantity = quantity + 1 WHERE id = ?1",
            )
            .expect("prepares");
        for id in &ids {
            if let Some(guard) = &mut guard {
                guard.execute([id]).expect("names the row");
            }
            update.execute([id]).expect("updates");
        }
        drop((guard, update));
        transaction.commit().expect("commits");
    })
}

/// A range delete of the oldest entries.
fn acknowledge(connection: &mut Connection, layout: Layout) -> Duration {
    if layout == Layout::None {
        return Duration::ZERO;
    }
    let sql = format!("DELETE FROM {} WHERE seq <= {ROWS}", log_table(layout));
    timed(|| assert_eq!(connection.execute(&sql, []), Ok(ROWS)))
}
