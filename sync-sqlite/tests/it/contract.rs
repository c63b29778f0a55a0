//! The contract suite of repositories, on real files, with an app that knows nothing of the library.

use std::{collections::BTreeMap, path::PathBuf};

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{FieldDescriptor, ModelDescriptor},
    error::Source,
    id::DocumentId,
};
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::{
    app_change::AppChange,
    contract::repository::{RepositoryFixture, models::SCHEMA},
    repository_contract,
};
use sqlx::{
    Column, Connection, Row, Sqlite, SqliteConnection, TypeInfo, ValueRef,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow},
};
use tempfile::TempDir;

repository_contract!(SqliteFixture::new().await);

/// A database file, and the one connection of the app.
struct SqliteFixture {
    app: SqliteConnection,
    path: PathBuf,
    /// Removed when the fixture is dropped.
    _directory: TempDir,
}

impl SqliteFixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("app.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true);
        let mut app = SqliteConnection::connect_with(&options)
            .await
            .expect("a new file can be opened");
        for table in SCHEMA {
            sqlx::query(*table)
                .execute(&mut app)
                .await
                .expect("the schema is valid");
        }
        Self {
            app,
            path,
            _directory: directory,
        }
    }
}

impl RepositoryFixture for SqliteFixture {
    type Repository = SqliteRepository;

    async fn open(&mut self) -> SqliteRepository {
        SqliteRepository::open(&self.path)
            .await
            .expect("the file can be opened")
    }

    async fn crash(&mut self, repository: SqliteRepository) {
        drop(repository);
    }

    async fn change(&mut self, change: AppChange) -> Result<(), Source> {
        let mut transaction = self.app.begin().await?;
        execute(&mut transaction, change).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn change_unseen(&mut self, change: AppChange) -> Result<(), Source> {
        let mut transaction = self.app.begin().await?;
        let triggers: Vec<(String, String)> =
            sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
                .fetch_all(&mut *transaction)
                .await?;
        for (name, _) in &triggers {
            let drop = format!("DROP TRIGGER \"{name}\"");
            sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
                .execute(&mut *transaction)
                .await?;
        }
        execute(&mut transaction, change).await?;
        for (_, create) in triggers {
            sqlx::raw_sql(sqlx::AssertSqlSafe(create))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn rows(&mut self, model: &'static ModelDescriptor) -> BTreeMap<DocumentId, Image> {
        let columns: Vec<_> = all_columns(model).collect();
        let select = format!("SELECT {} FROM {}", columns.join(", "), model.table());
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .fetch_all(&mut self.app)
            .await
            .expect("the app can read its table");
        rows.iter().map(|row| read(model, row)).collect()
    }

    async fn writes(&mut self) -> u64 {
        // Changes with the commits of all connections but this one, which is the app's.
        let version: i64 = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.app)
            .await
            .expect("the app can read");
        u64::try_from(version).expect("the version is a count")
    }
}

async fn execute(connection: &mut SqliteConnection, change: AppChange) -> Result<(), Source> {
    let changes = match change {
        AppChange::Transaction(changes) => changes,
        change => vec![change],
    };
    for change in changes {
        let (statement, arguments) = statement(change);
        let query = sqlx::query(sqlx::AssertSqlSafe(statement));
        let query = arguments.into_iter().fold(query, bind);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn statement(change: AppChange) -> (String, Vec<ColumnValue>) {
    match change {
        AppChange::Insert { model, id, image } => insert("INSERT INTO", model, &id, image, ""),
        AppChange::Replace { model, id, image } => insert("INSERT OR REPLACE INTO", model, &id, image, ""),
        AppChange::Upsert { model, id, image } => {
            let set: Vec<_> = names(model.fields())
                .map(|name| format!("{name} = excluded.{name}"))
                .collect();
            let keys: Vec<_> = names(model.id_fields()).collect();
            let update = format!(
                " ON CONFLICT ({}) DO UPDATE SET {}",
                keys.join(", "),
                set.join(", ")
            );
            insert("INSERT INTO", model, &id, image, &update)
        }
        AppChange::Update { model, id, columns } => {
            let (names, mut arguments): (Vec<_>, Vec<_>) = columns
                .into_iter()
                .map(|(name, value)| (format!("{name} = ?"), value))
                .unzip();
            let statement = format!(
                "UPDATE {} SET {} WHERE {}",
                model.table(),
                names.join(", "),
                key(model)
            );
            arguments.extend(id_columns(model, &id));
            (statement, arguments)
        }
        AppChange::Delete { model, id } => (
            format!("DELETE FROM {} WHERE {}", model.table(), key(model)),
            id_columns(model, &id),
        ),
        AppChange::Transaction(_) => panic!("transactions do not nest"),
    }
}

fn insert(
    verb: &str,
    model: &ModelDescriptor,
    id: &DocumentId,
    image: Image,
    behind: &str,
) -> (String, Vec<ColumnValue>) {
    let columns: Vec<_> = all_columns(model).collect();
    let places = vec!["?"; columns.len()].join(", ");
    let statement = format!(
        "{verb} {} ({}) VALUES ({places}){behind}",
        model.table(),
        columns.join(", ")
    );
    let mut arguments = id_columns(model, id);
    arguments.extend(image.into_columns());
    (statement, arguments)
}

fn bind(query: Query<'_, Sqlite, SqliteArguments>, value: ColumnValue) -> Query<'_, Sqlite, SqliteArguments> {
    match value {
        ColumnValue::Null => query.bind(None::<i64>),
        ColumnValue::Integer(integer) => query.bind(integer),
        ColumnValue::Real(real) => query.bind(real),
        ColumnValue::Text(text) => query.bind(text),
        ColumnValue::Blob(blob) => query.bind(blob),
    }
}

fn read(model: &ModelDescriptor, row: &SqliteRow) -> (DocumentId, Image) {
    let mut columns: Vec<_> = (0..row.columns().len()).map(|at| column(row, at)).collect();
    let image = columns.split_off(model.id_fields().len());
    let id = model
        .id_from_columns(&columns)
        .expect("tests write valid ids only");
    (id, Image::new(image))
}

fn column(row: &SqliteRow, at: usize) -> ColumnValue {
    let value = row.try_get_raw(at).expect("the column exists");
    if value.is_null() {
        // The type of a NULL is that of its column.
        return ColumnValue::Null;
    }
    let class = value.type_info().name().to_owned();
    match class.as_str() {
        "NULL" => ColumnValue::Null,
        "INTEGER" => ColumnValue::Integer(row.get_unchecked(at)),
        "REAL" => ColumnValue::Real(row.get_unchecked(at)),
        "TEXT" => ColumnValue::Text(row.get_unchecked(at)),
        "BLOB" => ColumnValue::Blob(row.get_unchecked(at)),
        other => panic!(
            "column {} is of an unknown class {other}",
            row.columns()[at].name()
        ),
    }
}

fn key(model: &ModelDescriptor) -> String {
    let parts: Vec<_> = names(model.id_fields())
        .map(|name| format!("{name} = ?"))
        .collect();
    parts.join(" AND ")
}

fn id_columns(model: &ModelDescriptor, id: &DocumentId) -> Vec<ColumnValue> {
    model.id_to_columns(id).expect("the id is one of the model")
}

fn all_columns(model: &ModelDescriptor) -> impl Iterator<Item = &'static str> {
    names(model.id_fields()).chain(names(model.fields()))
}

fn names(fields: &'static [FieldDescriptor]) -> impl Iterator<Item = &'static str> {
    fields.iter().map(FieldDescriptor::column)
}
