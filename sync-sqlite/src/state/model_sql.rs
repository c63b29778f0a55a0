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
    pub(crate) outbox: String,
    pub(crate) known: String,
}

impl ModelSql {
    pub(crate) fn new(layout: &ModelLayout) -> Self {
        let table = format!("main.{}", layout.table);
        let outbox = format!("main.{}", layout.outbox);
        let (keys, columns) = (&layout.id_columns, &layout.columns);
        let (key_count, column_count) = (keys.len(), columns.len());
        let all = [keys.clone(), columns.clone()].concat().join(", ");
        let values = parameters(1, key_count + column_count);
        let key_matches = matches(keys, 1).join(" AND ");
        let key_list = keys.join(", ");
        let insert_row = format!("INSERT INTO {table} ({all}) VALUES ({values})");
        let image = images(column_count);
        let entry = [vec!["kind".to_owned()], images_of("k", key_count), image.clone()].concat();
        let entry_values = |first| parameters(first, 1 + key_count + column_count);
        let not_null: Vec<_> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
        let not_null = not_null.join(" AND ");
        let after = parameters(2, key_count);
        let from_entries = |with: &[String]| {
            let listed = [
                vec!["seq".to_owned(), "kind".to_owned()],
                images_of("k", key_count),
                with.to_vec(),
            ];
            format!(
                "SELECT {} FROM {outbox} WHERE seq > ?1 ORDER BY seq",
                listed.concat().join(", ")
            )
        };
        Self {
            number: layout.number,
            model: layout.model,
            user_triggers: !layout.shape.user_triggers.is_empty(),
            settle_replaced: format!(
                "UPDATE {outbox} SET kind = '{}' WHERE seq > ?1 AND kind = '{}'",
                kind::UPDATE,
                kind::REPLACE
            ),
            select_row: format!("SELECT {} FROM {table} WHERE {key_matches}", list_or_one(columns)),
            update_row: (column_count > 0).then(|| {
                let set = matches(columns, key_count + 1).join(", ");
                format!("UPDATE {table} SET {set} WHERE {key_matches}")
            }),
            insert_if_absent: format!("{insert_row} ON CONFLICT ({key_list}) DO NOTHING"),
            insert_row,
            delete_row: format!("DELETE FROM {table} WHERE {key_matches}"),
            first_rows: format!("SELECT {all} FROM {table} WHERE {not_null} ORDER BY {key_list} LIMIT ?1"),
            next_rows: format!(
                "SELECT {all} FROM {table} WHERE {not_null} AND ({key_list}) > ({after}) ORDER BY {key_list} LIMIT ?1"
            ),
            first_keys: format!(
                "SELECT {key_list} FROM {table} WHERE {not_null} ORDER BY {key_list} LIMIT ?1"
            ),
            next_keys: format!(
                "SELECT {key_list} FROM {table} WHERE {not_null} AND ({key_list}) > ({after}) ORDER BY {key_list} LIMIT ?1"
            ),
            entries_after: from_entries(&[]),
            images_after: from_entries(&image),
            entry_image: format!("SELECT {} FROM {outbox} WHERE seq = ?1", list_or_one(&image)),
            rebase_entry: {
                let set = [
                    vec![format!(
                        "kind = CASE kind WHEN '{}' THEN '{INSERT_OVER}' ELSE kind END",
                        kind::INSERT
                    )],
                    matches(&image, 2),
                ]
                .concat();
                format!("UPDATE {outbox} SET {} WHERE seq = ?1", set.join(", "))
            },
            unbase_entry: {
                let nulls = image.iter().map(|column| format!("{column} = NULL"));
                let set: Vec<_> = std::iter::once("kind = 'I'".to_owned()).chain(nulls).collect();
                format!("UPDATE {outbox} SET {} WHERE seq = ?1", set.join(", "))
            },
            insert_entry: format!(
                "INSERT INTO {outbox} (seq, {}) VALUES (?1, {})",
                entry.join(", "),
                entry_values(2)
            ),
            append_entry: format!(
                "INSERT INTO {outbox} ({}) VALUES ({})",
                entry.join(", "),
                entry_values(1)
            ),
            outbox,
            known: format!("main.{}", layout.known),
        }
    }

    pub(crate) fn keys(&self) -> usize {
        self.model.id_fields().len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.model.fields().len()
    }
}

fn images(count: usize) -> Vec<String> {
    images_of("c", count)
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
