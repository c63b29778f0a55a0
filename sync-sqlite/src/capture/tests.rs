//! What the triggers capture, through real SQLite and plain SQL: a table prepared for a model, statements, and the outbox they leave.
//!
//! The expected log is written as `kind id columns`, each value as SQLite's `quote` shows it.

mod blind_spots;
mod lifecycle;
mod model_based;
mod names;
mod statements;
mod values;

use ditto_sync_core::descriptor::{FieldDescriptor, ModelDescriptor};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::{layout::ModelLayout, prepare::prepare};

/// How a test's table is stored, and how its connection treats rows that REPLACE removes.
#[derive(Debug, Clone, Copy)]
struct Form {
    without_rowid: bool,
    recursive: bool,
}

const FORMS: [Form; 4] = [
    Form {
        without_rowid: false,
        recursive: false,
    },
    Form {
        without_rowid: false,
        recursive: true,
    },
    Form {
        without_rowid: true,
        recursive: false,
    },
    Form {
        without_rowid: true,
        recursive: true,
    },
];

/// A connection with prepared tables.
struct Bed {
    conn: SqliteConnection,
    layouts: Vec<ModelLayout>,
}

impl Bed {
    /// Runs `ddl` on a fresh database, then prepares it for `models`.
    async fn new(ddl: &str, models: &[&'static ModelDescriptor]) -> Self {
        let conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let mut bed = Self {
            conn,
            layouts: Vec::new(),
        };
        bed.run(ddl).await;
        bed.prepare(models).await;
        bed
    }

    /// `t(id, v, u)`, `u` unique, in the form asked for, with three rows.
    async fn items(form: Form) -> Self {
        let suffix = if form.without_rowid { " WITHOUT ROWID" } else { "" };
        let ddl = format!(
            "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v INTEGER, u TEXT UNIQUE, unmapped TEXT){suffix};
             INSERT INTO t(id, v, u) VALUES ('a', 1, 'x'), ('b', 2, 'y'), ('c', 3, 'z');"
        );
        let mut bed = Self::new(&ddl, &[items()]).await;
        if form.recursive {
            bed.run("PRAGMA recursive_triggers = ON").await;
        }
        bed
    }

    async fn prepare(&mut self, models: &[&'static ModelDescriptor]) {
        self.layouts = prepare(&mut self.conn, models, "test.db").await.unwrap();
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.conn)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs what must fail; the message.
    async fn fail(&mut self, sql: &str) -> String {
        let outcome = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.conn)
            .await;
        outcome.expect_err(sql).to_string()
    }

    /// The outbox of the first model.
    async fn log(&mut self) -> Vec<String> {
        self.log_of(0).await
    }

    async fn log_of(&mut self, model: usize) -> Vec<String> {
        let layout = &self.layouts[model];
        let quoted = |letter: &str, count: usize| {
            (0..count)
                .map(|at| format!(" || ' ' || quote({letter}{at})"))
                .collect::<String>()
        };
        let (keys, columns) = (
            quoted("k", layout.id_columns.len()),
            quoted("c", layout.columns.len()),
        );
        let sql = format!(
            "SELECT kind{keys}, ''{columns} FROM {} ORDER BY seq",
            layout.outbox
        );
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.conn)
            .await
            .unwrap();
        let entry = |(head, tail): (String, String)| if head.starts_with('I') { head } else { head + &tail };
        rows.into_iter().map(entry).collect()
    }

    /// The log that `sql` adds.
    async fn captured(&mut self, sql: &str) -> Vec<String> {
        self.clear().await;
        self.run(sql).await;
        self.log().await
    }

    async fn clear(&mut self) {
        for at in 0..self.layouts.len() {
            let sql = format!("DELETE FROM {}", self.layouts[at].outbox);
            self.run(&sql).await;
        }
    }

    async fn number(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.conn)
            .await
            .unwrap()
    }
}

/// The model of `Bed::items`: `t(id | v, u)`.
fn items() -> &'static ModelDescriptor {
    model(
        "t",
        &[text("id")],
        &[nullable::<i64>("v"), nullable::<String>("u")],
    )
}

/// A model of the table and the collection `name`.
fn model(
    name: &'static str,
    ids: &[FieldDescriptor],
    fields: &[FieldDescriptor],
) -> &'static ModelDescriptor {
    let (ids, fields) = (Box::leak(ids.into()), Box::leak(fields.into()));
    Box::leak(Box::new(ModelDescriptor::new("Test", name, name, ids, fields)))
}

fn text(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<String>(name, name, name)
}

fn integer(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<i64>(name, name, name)
}

fn nullable<T: ditto_sync_core::field::DittoField>(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<Option<T>>(name, name, name)
}
