//! A real SQLite in memory, reached through sqlx, for tests that hold the core against it.

use std::cell::RefCell;

use ditto_sync_core::column::ColumnValue;
use sqlx::{
    Connection as _, Decode, Encode, Executor as _, Row as _, Sqlite, SqliteConnection, Type, TypeInfo as _,
    ValueRef as _,
    sqlite::{SqliteArguments, SqliteRow},
};
use tokio::runtime::Runtime;

pub(crate) struct Database {
    runtime: Runtime,
    connection: RefCell<SqliteConnection>,
}

impl Database {
    pub(crate) fn in_memory() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let connection = runtime
            .block_on(SqliteConnection::connect("sqlite::memory:"))
            .unwrap();
        Self {
            runtime,
            connection: RefCell::new(connection),
        }
    }

    pub(crate) fn execute(&self, sql: &str, arguments: &[ColumnValue]) {
        let query = sqlx::query_with(sqlx::AssertSqlSafe(sql), bound(arguments));
        self.runtime
            .block_on(self.connection.borrow_mut().execute(query))
            .unwrap();
    }

    /// The rows of a query, each column as SQLite holds it.
    pub(crate) fn rows(&self, sql: &str, arguments: &[ColumnValue]) -> Vec<Vec<ColumnValue>> {
        let query = sqlx::query_with(sqlx::AssertSqlSafe(sql), bound(arguments));
        let rows = self
            .runtime
            .block_on(self.connection.borrow_mut().fetch_all(query))
            .unwrap();
        rows.iter()
            .map(|row| (0..row.columns().len()).map(|at| raw(row, at)).collect())
            .collect()
    }

    /// What sqlx writes for a value.
    pub(crate) fn written_by_sqlx<'q, T>(&self, value: T) -> ColumnValue
    where
        T: Encode<'q, Sqlite> + Type<Sqlite>,
    {
        let mut arguments = SqliteArguments::default();
        sqlx::Arguments::add(&mut arguments, value).unwrap();
        let query = sqlx::query_with("SELECT ?", arguments);
        let row = self
            .runtime
            .block_on(self.connection.borrow_mut().fetch_one(query))
            .unwrap();
        raw(&row, 0)
    }

    /// What sqlx reads from a column; `None` where it refuses.
    pub(crate) fn read_by_sqlx<T>(&self, column: &ColumnValue) -> Option<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
    {
        let query = sqlx::query_with("SELECT ?", bound(std::slice::from_ref(column)));
        let row = self
            .runtime
            .block_on(self.connection.borrow_mut().fetch_one(query))
            .unwrap();
        row.try_get(0).ok()
    }
}

fn bound(values: &[ColumnValue]) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            ColumnValue::Null => sqlx::Arguments::add(&mut arguments, None::<i64>),
            ColumnValue::Integer(integer) => sqlx::Arguments::add(&mut arguments, *integer),
            ColumnValue::Real(real) => sqlx::Arguments::add(&mut arguments, *real),
            ColumnValue::Text(text) => sqlx::Arguments::add(&mut arguments, text.clone()),
            ColumnValue::Blob(blob) => sqlx::Arguments::add(&mut arguments, blob.clone()),
        }
        .unwrap();
    }
    arguments
}

fn raw(row: &SqliteRow, at: usize) -> ColumnValue {
    let value = row.try_get_raw(at).unwrap();
    if value.is_null() {
        return ColumnValue::Null;
    }
    // The type of the value, not of the column: a column may hold any class.
    match value.type_info().name() {
        "INTEGER" | "BOOLEAN" => ColumnValue::Integer(row.get_unchecked(at)),
        "REAL" => ColumnValue::Real(row.get_unchecked(at)),
        "TEXT" => ColumnValue::Text(row.get_unchecked(at)),
        "BLOB" => ColumnValue::Blob(row.get_unchecked(at)),
        other => panic!("unexpected storage class {other}"),
    }
}
