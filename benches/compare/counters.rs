//! The table that everything is measured on: [`Counter`], its rows and its documents, all made from a number.

use ditto_sync::{DittoAdapter, Document};
use rusqlite::params;

/// A row of eleven columns with a random text key.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "counters", rename_all = "camelCase")]
pub(crate) struct Counter {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) business_id: String,
    pub(crate) branch_id: String,
    pub(crate) receipt_type: String,
    pub(crate) current_receipt: i64,
    pub(crate) total_receipts: i64,
    pub(crate) invoice_number: i64,
    pub(crate) rate: f64,
    pub(crate) bhf_id: Option<String>,
    pub(crate) created_at: String,
    pub(crate) last_touched: Option<String>,
}

/// What an app would have: a key that is also an index of its own.
pub(crate) const SCHEMA: &str = "CREATE TABLE counters (id TEXT PRIMARY KEY NOT NULL, business_id TEXT NOT NULL, branch_id TEXT NOT NULL, receipt_type TEXT NOT NULL, \
    current_receipt INTEGER NOT NULL, total_receipts INTEGER NOT NULL, invoice_number INTEGER NOT NULL, rate REAL NOT NULL, bhf_id TEXT, created_at TEXT NOT NULL, \
    last_touched TEXT)";

pub(crate) const COLUMNS: usize = 11;

/// The upsert that everybody writes.
pub(crate) const UPSERT: &str = "INSERT INTO counters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO UPDATE SET \
    business_id = excluded.business_id, branch_id = excluded.branch_id, receipt_type = excluded.receipt_type, current_receipt = excluded.current_receipt, \
    total_receipts = excluded.total_receipts, invoice_number = excluded.invoice_number, rate = excluded.rate, bhf_id = excluded.bhf_id, \
    created_at = excluded.created_at, last_touched = excluded.last_touched";

/// The key of row `number`: a UUID whose order says nothing about the number.
pub(crate) fn id_of(number: usize) -> String {
    // The finalizer of MurmurHash3: one to one, so no two rows have the same key.
    let mut mixed = number as u64;
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^= mixed >> 33;
    format!(
        "{:08x}-{:04x}-4{:03x}-8000-{number:012x}",
        mixed >> 32,
        (mixed >> 16) & 0xffff,
        mixed & 0xfff
    )
}

/// The number of a row from its key.
pub(crate) fn number_of(id: &str) -> usize {
    usize::from_str_radix(&id[24..], 16).expect("a key of this bench")
}

impl Counter {
    /// Row `number` in its `version`-th version.
    pub(crate) fn new(number: usize, version: i64) -> Self {
        let count = i64::try_from(number).expect("a small number");
        Self {
            id: id_of(number),
            business_id: "5d3c2b1a-0f9e-4d8c-b7a6-958473625140".to_owned(),
            branch_id: format!("branch-{}", number % 7),
            receipt_type: "NS".to_owned(),
            current_receipt: count,
            total_receipts: count * 3 + version,
            invoice_number: version,
            rate: 0.18,
            bhf_id: Some("00".to_owned()),
            created_at: "2024-05-01T10:20:30.000Z".to_owned(),
            last_touched: Some(format!("2024-05-{:02}T10:20:30.000Z", 1 + version % 28)),
        }
    }

    /// All rows of a table, in this version.
    pub(crate) fn all(rows: usize, version: i64) -> Vec<Self> {
        (0..rows).map(|number| Self::new(number, version)).collect()
    }

    pub(crate) fn to_document(&self) -> Document {
        let mut document = Document::with_capacity(COLUMNS);
        document.set("bhfId", self.bhf_id.clone());
        document.set("branchId", self.branch_id.clone());
        document.set("businessId", self.business_id.clone());
        document.set("createdAt", self.created_at.clone());
        document.set("currentReceipt", self.current_receipt);
        document.set("id", self.id.clone());
        document.set("invoiceNumber", self.invoice_number);
        document.set("lastTouched", self.last_touched.clone());
        document.set("rate", self.rate);
        document.set("receiptType", self.receipt_type.clone());
        document.set("totalReceipts", self.total_receipts);
        document
    }

    /// Runs a prepared statement with the columns in order.
    pub(crate) fn run(&self, statement: &mut rusqlite::Statement<'_>) {
        let changed = statement.execute(params![
            self.id,
            self.business_id,
            self.branch_id,
            self.receipt_type,
            self.current_receipt,
            self.total_receipts,
            self.invoice_number,
            self.rate,
            self.bhf_id,
            self.created_at,
            self.last_touched
        ]);
        assert_eq!(changed, Ok(1), "one row each");
    }

    /// The same for sqlx.
    pub(crate) fn bind<'q>(
        &'q self,
        query: sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
        query
            .bind(&self.id)
            .bind(&self.business_id)
            .bind(&self.branch_id)
            .bind(&self.receipt_type)
            .bind(self.current_receipt)
            .bind(self.total_receipts)
            .bind(self.invoice_number)
            .bind(self.rate)
            .bind(&self.bhf_id)
            .bind(&self.created_at)
            .bind(&self.last_touched)
    }
}

/// How many rows a table has.
pub(crate) fn count(connection: &rusqlite::Connection, table: &str) -> usize {
    let count: i64 = connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        .expect("a count");
    usize::try_from(count).expect("a count is not negative")
}

/// Fails unless the table holds exactly these rows, all of them, in this version.
pub(crate) fn check(connection: &rusqlite::Connection, rows: usize, version: i64) {
    let counts: (i64, i64, i64) = connection
        .query_row(
            "SELECT count(*), coalesce(sum(current_receipt), 0), coalesce(sum(total_receipts - 3 * current_receipt = ?1 AND invoice_number = ?1), 0) FROM counters",
            [version],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("the table can be read");
    let rows = i64::try_from(rows).expect("a small number");
    assert_eq!(
        counts,
        (rows, rows * (rows - 1) / 2, rows),
        "rows, their sum, and rows of version {version}"
    );
    let wanted = Counter::new(usize::try_from(rows / 2).expect("a small number"), version);
    let found: (String, f64, Option<String>, Option<String>) = connection
        .query_row(
            "SELECT branch_id, rate, bhf_id, last_touched FROM counters WHERE id = ?1",
            [&wanted.id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .expect("the row in the middle");
    assert_eq!(
        found,
        (wanted.branch_id, wanted.rate, wanted.bhf_id, wanted.last_touched),
        "the row in the middle"
    );
}
