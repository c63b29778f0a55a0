//! The SQL text for one model's table and its bookkeeping, built once: [`ModelSql`].
//!
//! Not here: creating those tables and triggers (`schema`, `capture`).

use ditto_sync_core::descriptor::ModelDescriptor;

use crate::{
    layout::{ModelLayout, kind},
    outbox::INSERT_OVER,
};

/// Statements for one model. Parameters are numbered: key columns first, then the other mapped columns.
#[derive(Debug)]
pub(crate) struct ModelSql {
    pub(crate) number: i64,
    pub(crate) model: &'static ModelDescriptor,
    /// The app has triggers of its own on the table: capture is suppressed row by row instead of for a whole slice.
    pub(crate) user_triggers: bool,
    /// Some of them do not stand aside while changes from the store are applied.
    pub(crate) unguarded_triggers: bool,
    /// `key -> columns`
    pub(crate) select_row: String,
    /// `key, columns`; `None`: the table has no mapped column beside its key.
    pub(crate) update_row: Option<String>,
    /// `key, columns`
    pub(crate) insert_row: String,
    /// `key, columns`; nothing happens when the row exists.
    pub(crate) insert_if_absent: String,
    /// `key`
    pub(crate) delete_row: String,
    /// `-> key, columns`; rows in key order. `limit`, and `after key` for the second.
    pub(crate) first_rows: String,
    pub(crate) next_rows: String,
    /// `-> key`; as above.
    pub(crate) first_keys: String,
    pub(crate) next_keys: String,
    pub(crate) outbox: OutboxSql,
    pub(crate) known: String,
    /// What rows are selected with a condition from.
    table: String,
    key: String,
    all: String,
    not_null: String,
}

/// Statements for one model's outbox.
#[derive(Debug)]
pub(crate) struct OutboxSql {
    /// `after -> seq, kind, key`
    pub(crate) entries_after: String,
    /// `after -> seq, kind, key, columns`
    pub(crate) images_after: String,
    /// `seq -> columns`
    pub(crate) entry_image: String,
    /// `seq, columns`; an insert has a base from now on.
    pub(crate) rebase_entry: String,
    /// `seq`; the entry becomes an insert, without an image.
    pub(crate) unbase_entry: String,
    /// `seq, kind, key, columns`
    pub(crate) insert_entry: String,
    /// `kind, key, columns`; after all others.
    pub(crate) append_entry: String,
    /// `after`; ends the doubt about rows that might have been replaced.
    pub(crate) settle_replaced: String,
    pub(crate) table: String,
}

impl ModelSql {
    pub(crate) fn new(layout: &ModelLayout) -> Self {
        let table = format!("main.{}", layout.table);
        let (keys, columns) = (&layout.id_columns, &layout.columns);
        let all = [&keys[..], &columns[..]].concat().join(", ");
        let values = parameters(1, keys.len() + columns.len());
        let this = matches(keys, 1).join(" AND ");
        let key = keys.join(", ");
        let not_null: Vec<_> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
        let not_null = not_null.join(" AND ");
        let after = parameters(2, keys.len());
        let insert_row = format!("INSERT INTO {table} ({all}) VALUES ({values})");
        let first =
            |listed: &str| format!("SELECT {listed} FROM {table} WHERE {not_null} ORDER BY {key} LIMIT ?1");
        let next = |listed: &str| {
            format!(
                "SELECT {listed} FROM {table} WHERE {not_null} AND ({key}) > ({after}) ORDER BY {key} LIMIT ?1"
            )
        };
        Self {
            number: layout.number,
            model: layout.model,
            user_triggers: !layout.shape.user_triggers.is_empty(),
            unguarded_triggers: layout.shape.user_triggers.iter().any(|trigger| !trigger.guarded),
            select_row: format!("SELECT {} FROM {table} WHERE {this}", list_or_one(columns)),
            update_row: (!columns.is_empty()).then(|| {
                let set = matches(columns, keys.len() + 1).join(", ");
                format!("UPDATE {table} SET {set} WHERE {this}")
            }),
            insert_if_absent: format!("{insert_row} ON CONFLICT ({key}) DO NOTHING"),
            insert_row,
            delete_row: format!("DELETE FROM {table} WHERE {this}"),
            first_rows: first(&all),
            next_rows: next(&all),
            first_keys: first(&key),
            next_keys: next(&key),
            outbox: OutboxSql::new(layout),
            known: format!("main.{}", layout.known),
            table,
            key,
            all,
            not_null,
        }
    }

    /// `arguments of the clause, (after key,) limit -> key, columns`; rows in key order. Its parameters are plain `?`.
    pub(crate) fn select_where(&self, clause: &str, behind_a_key: bool) -> String {
        let Self {
            table,
            key,
            all,
            not_null,
            ..
        } = self;
        let places = vec!["?"; self.keys()].join(", ");
        let behind = match behind_a_key {
            true => format!(" AND ({key}) > ({places})"),
            false => String::new(),
        };
        format!("SELECT {all} FROM {table} WHERE {not_null} AND ({clause}){behind} ORDER BY {key} LIMIT ?")
    }

    pub(crate) fn keys(&self) -> usize {
        self.model.id_fields().len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.model.fields().len()
    }
}

impl OutboxSql {
    fn new(layout: &ModelLayout) -> Self {
        let table = format!("main.{}", layout.outbox);
        let keys = images_of("k", layout.id_columns.len());
        let image = images_of("c", layout.columns.len());
        let entry = [&["kind".to_owned()], &keys[..], &image[..]].concat();
        let entries = |listed: &[String]| {
            let listed = [&["seq".to_owned(), "kind".to_owned()], &keys[..], listed]
                .concat()
                .join(", ");
            format!("SELECT {listed} FROM {table} WHERE seq > ?1 ORDER BY seq")
        };
        let update = |set: &[String]| format!("UPDATE {table} SET {} WHERE seq = ?1", set.join(", "));
        let over = format!(
            "kind = CASE kind WHEN '{}' THEN '{INSERT_OVER}' WHEN '{}' THEN '{}' ELSE kind END",
            kind::INSERT,
            kind::MISSED,
            kind::UPDATE,
        );
        let nulls: Vec<_> = image.iter().map(|column| format!("{column} = NULL")).collect();
        let plain = format!("kind = '{}'", kind::INSERT);
        let listed = entry.join(", ");
        Self {
            entries_after: entries(&[]),
            images_after: entries(&image),
            entry_image: format!("SELECT {} FROM {table} WHERE seq = ?1", list_or_one(&image)),
            rebase_entry: update(&[&[over], &matches(&image, 2)[..]].concat()),
            unbase_entry: update(&[&[plain], &nulls[..]].concat()),
            insert_entry: format!(
                "INSERT INTO {table} (seq, {listed}) VALUES (?1, {})",
                parameters(2, entry.len())
            ),
            append_entry: format!(
                "INSERT INTO {table} ({listed}) VALUES ({})",
                parameters(1, entry.len())
            ),
            settle_replaced: format!(
                "UPDATE {table} SET kind = '{}' WHERE seq > ?1 AND kind = '{}'",
                kind::UPDATE,
                kind::REPLACE
            ),
            table,
        }
    }
}

fn images_of(letter: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{letter}{at}")).collect()
}

fn parameters(first: usize, count: usize) -> String {
    let parameters: Vec<_> = (first..first + count).map(|at| format!("?{at}")).collect();
    parameters.join(", ")
}

fn matches(columns: &[String], first: usize) -> Vec<String> {
    let numbered = columns.iter().enumerate();
    numbered
        .map(|(at, column)| format!("{column} = ?{}", first + at))
        .collect()
}

/// A select list must not be empty.
fn list_or_one(columns: &[String]) -> String {
    if columns.is_empty() {
        "1".to_owned()
    } else {
        columns.join(", ")
    }
}
