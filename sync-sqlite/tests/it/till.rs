//! One till for the tests of draft, apply and recovery: a file with awkward tables, the app's connection to it, and a plain store.

use std::future::Future;

use ditto_sync_core::{
    descriptor::{Direction, FieldDescriptor, ModelDescriptor},
    document::Document,
    id::DocumentId,
    repository::{Applied, Draft, DraftRequest, InboundBatch, InboundItem, Repository, RowRef},
    scope::Scopes,
    value::Value,
};
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::contract::repository::bench::PlainStore;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

/// Reports to another employee: a reference into the same table.
pub(crate) static EMPLOYEE: ModelDescriptor = ModelDescriptor::new(
    "Employee",
    "employees",
    "employees",
    &[FieldDescriptor::of::<i64>("id", "id", "id")],
    &[
        FieldDescriptor::of::<String>("name", "name", "name"),
        FieldDescriptor::of::<Option<i64>>("reports_to", "reportsTo", "reports_to"),
    ],
)
.with_anchor(Some("_anchor"));

/// A table with constraints, a trigger of the app, and a name that needs quotes.
pub(crate) static PRODUCT: ModelDescriptor = ModelDescriptor::new(
    "Product",
    "products",
    "order products.v2",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<String>>("code", "code", "code"),
        FieldDescriptor::of::<f64>("price", "price", "price"),
        FieldDescriptor::of::<Option<String>>("slug", "slug", "slug"),
    ],
);

/// Rows that keep an employee from going.
pub(crate) static BADGE: ModelDescriptor = ModelDescriptor::new(
    "Badge",
    "badges",
    "badges",
    &[FieldDescriptor::of::<i64>("id", "id", "id")],
    &[FieldDescriptor::of::<i64>("owner", "owner", "owner")],
)
.with_anchor(Some("_anchor"));

/// Whatever a column can hold.
pub(crate) static SAMPLE: ModelDescriptor = ModelDescriptor::new(
    "Sample",
    "samples",
    "samples",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<String>>("text", "text", "text"),
        FieldDescriptor::of::<Option<i64>>("whole", "whole", "whole"),
        FieldDescriptor::of::<Option<f64>>("real", "real", "real"),
        FieldDescriptor::of::<Option<Vec<u8>>>("bytes", "bytes", "bytes"),
        FieldDescriptor::of::<Option<bool>>("flag", "flag", "flag"),
    ],
);

/// Comes in, never goes out. A column of the table is not mapped.
pub(crate) static NOTICE: ModelDescriptor = ModelDescriptor::new(
    "Notice",
    "notices",
    "notices",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[FieldDescriptor::of::<String>("words", "words", "words")],
)
.with_direction(Direction::ReceiveOnly);

/// Goes out, never comes in.
pub(crate) static METER: ModelDescriptor = ModelDescriptor::new(
    "Meter",
    "meters",
    "meters",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[FieldDescriptor::of::<i64>("reading", "reading", "reading").counter()],
)
.with_direction(Direction::SendOnly);

pub(crate) static MODELS: [&ModelDescriptor; 6] = [&BADGE, &EMPLOYEE, &PRODUCT, &SAMPLE, &NOTICE, &METER];

pub(crate) fn collections() -> Vec<&'static str> {
    MODELS.iter().map(|model| model.collection()).collect()
}

const SCHEMA: &str = r#"
    CREATE TABLE employees (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
        reports_to INTEGER REFERENCES employees (id) ON DELETE SET NULL);
    CREATE TABLE "order products.v2" (id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, price REAL NOT NULL
        CONSTRAINT price_is_positive CHECK (price >= 0), slug TEXT);
    CREATE TRIGGER slugs AFTER UPDATE OF code ON "order products.v2" BEGIN
        UPDATE "order products.v2" SET slug = lower(NEW.code) WHERE id = NEW.id; END;
    CREATE TABLE badges (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES employees (id));
    CREATE TABLE samples (id TEXT PRIMARY KEY NOT NULL, text TEXT, whole INTEGER, real REAL, bytes BLOB, flag INTEGER);
    CREATE TABLE notices (id TEXT PRIMARY KEY NOT NULL, words TEXT NOT NULL, seen_by TEXT NOT NULL DEFAULT 'nobody');
    CREATE TABLE meters (id TEXT PRIMARY KEY NOT NULL, reading INTEGER NOT NULL);
"#;

/// More than any test needs.
pub(crate) const PLENTY: usize = 10_000;

pub(crate) struct Till {
    pub(crate) repository: SqliteRepository,
    pub(crate) app: SqliteConnection,
    pub(crate) store: PlainStore,
    pub(crate) scopes: Scopes,
    directory: TempDir,
}

impl Till {
    /// A till with empty tables.
    pub(crate) async fn new() -> Self {
        Self::with_rows("").await
    }

    /// A till whose tables held something before the library came.
    pub(crate) async fn with_rows(sql: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.db");
        let options = SqliteRepository::connect_options(&path);
        let mut app = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(SCHEMA).execute(&mut app).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app).await.unwrap();
        let repository = SqliteRepository::open(&path).await.unwrap();
        repository.prepare(&MODELS).await.unwrap();
        Self {
            repository,
            app,
            store: PlainStore::default(),
            scopes: Scopes::everything(),
            directory,
        }
    }

    /// The process ends and another one begins.
    pub(crate) async fn restart(self) -> Self {
        drop(self.repository);
        let repository = SqliteRepository::open(self.directory.path().join("app.db"))
            .await
            .unwrap();
        repository.prepare(&MODELS).await.unwrap();
        Self { repository, ..self }
    }

    /// Statements of the app.
    pub(crate) async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.app)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// One value, as text; `None` for no row and for NULL.
    pub(crate) async fn text(&mut self, sql: &str) -> Option<String> {
        let sql = format!("SELECT CAST(({sql}) AS TEXT)");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.app)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&mut self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.app)
            .await
            .unwrap()
    }

    /// Moves with every commit of anybody but the app.
    pub(crate) async fn writes(&mut self) -> i64 {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.app)
            .await
            .unwrap()
    }

    /// Applies what the store holds of these rows.
    pub(crate) async fn pull(&self, rows: &[RowRef], transaction_rows_max: usize) -> Applied {
        let items = self.items(rows);
        self.apply(&items, transaction_rows_max).await
    }

    pub(crate) fn items(&self, rows: &[RowRef]) -> Vec<InboundItem> {
        let items = rows.iter().map(|row| {
            let document = self.store.get(row.model, &row.id).cloned();
            InboundItem::new(row.model, row.id.clone(), document, &self.scopes)
        });
        items.collect()
    }

    pub(crate) async fn apply(&self, items: &[InboundItem], transaction_rows_max: usize) -> Applied {
        let batch = InboundBatch {
            items,
            scopes: &self.scopes,
            marks: &[],
            transaction_rows_max,
        };
        self.repository.apply(batch).await.unwrap()
    }

    pub(crate) async fn draft(&self, operations_max: usize) -> Draft {
        let collections = collections();
        let request = DraftRequest {
            operations_max,
            seed: &collections,
            scopes: &self.scopes,
            rows: ditto_sync_core::repository::DraftRows::All,
        };
        self.repository.draft(request).await.unwrap()
    }

    /// Sends everything; how many operations it took.
    pub(crate) async fn push(&mut self) -> usize {
        let mut sent = 0;
        while let Some(intent) = self.draft(PLENTY).await.intent {
            assert_eq!(self.store.write(&intent), Vec::new(), "nobody else writes");
            self.repository.acknowledge(&intent, &self.scopes).await.unwrap();
            sent += intent.operations.len();
        }
        sent
    }

    /// Writes a document as another device would.
    pub(crate) fn put(&mut self, model: &'static ModelDescriptor, id: &DocumentId, fields: &[(&str, Value)]) {
        let document: Document = fields
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        let image = model.image_of(&document).unwrap();
        self.store.put(model, id, &image);
    }

    /// Checks that no suppression outlives its transaction.
    pub(crate) async fn assert_guard_is_down(&mut self) {
        assert_eq!(
            self.text("SELECT active FROM ditto_sync_guard").await.as_deref(),
            Some("0")
        );
    }
}

pub(crate) fn row(model: &'static ModelDescriptor, id: &DocumentId) -> RowRef {
    RowRef {
        model,
        id: id.clone(),
    }
}

pub(crate) fn named(id: &str) -> DocumentId {
    DocumentId::text(id).unwrap()
}

pub(crate) fn numbered(id: i64) -> DocumentId {
    DocumentId::integer(id)
}

/// Polls `future` so many times and drops it then; what it returned, if it was done by then.
pub(crate) async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(context) {
            return std::task::Poll::Ready(Some(output));
        }
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        std::task::Poll::Pending
    })
    .await
}
