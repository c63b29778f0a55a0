//! What the app's tables look like, and whether they fit their models.
//!
//! Not here: our own tables (`layout`), the triggers (`capture`).

pub(crate) mod affinity;
mod check;
pub(crate) mod identifier;
mod inspect;
#[cfg(test)]
mod tests;
pub(crate) mod trigger_text;

pub(crate) use check::{check, check_together};
pub(crate) use inspect::inspect;

use affinity::Affinity;
use identifier::same_name;

/// The app's table, as the database describes it.
#[derive(Debug, Clone)]
pub(crate) struct TableShape {
    /// As the schema spells it, unquoted.
    pub(crate) name: String,
    pub(crate) kind: TableKind,
    pub(crate) without_rowid: bool,
    pub(crate) strict: bool,
    /// All of them, also generated and hidden ones, in the table's order.
    pub(crate) columns: Vec<Column>,
    /// Every set of columns that no two rows share: the primary key, UNIQUE constraints and unique indexes.
    pub(crate) unique_keys: Vec<UniqueKey>,
    /// Unique indexes on expressions, by name. Rows that such an index removes under REPLACE are not captured.
    pub(crate) expression_indexes: Vec<String>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Triggers that are not ours.
    pub(crate) user_triggers: Vec<UserTrigger>,
}

/// What answers to a table's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    Table,
    View,
    /// A virtual table, or a table that belongs to one.
    Virtual,
}

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) declared: String,
    pub(crate) affinity: Affinity,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    pub(crate) generated: bool,
    /// Place in the primary key, from 1.
    pub(crate) key_place: Option<usize>,
}

/// Columns that no two rows share.
#[derive(Debug, Clone)]
pub(crate) struct UniqueKey {
    pub(crate) columns: Vec<UniqueColumn>,
    /// Only rows that meet a condition are held apart.
    pub(crate) partial: bool,
    pub(crate) origin: KeyOrigin,
}

/// Where a [`UniqueKey`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    /// `INTEGER PRIMARY KEY`: another name of the rowid, without an index of its own.
    RowidAlias,
    PrimaryKey,
    Unique,
}

/// One column of a [`UniqueKey`], and how it is compared.
#[derive(Debug, Clone)]
pub(crate) struct UniqueColumn {
    pub(crate) name: String,
    pub(crate) collation: String,
}

/// One foreign key of the table.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    /// The table referred to, as the constraint spells it.
    pub(crate) parent: String,
    pub(crate) columns: Vec<String>,
    /// Empty where the constraint leaves them out: the parent's primary key.
    pub(crate) parent_columns: Vec<String>,
}

/// A trigger of the app.
#[derive(Debug, Clone)]
pub(crate) struct UserTrigger {
    pub(crate) name: String,
    /// It mentions the guard, so we take it to stand aside while changes from the store are applied.
    pub(crate) guarded: bool,
    pub(crate) sql: String,
}

impl TableShape {
    /// The column of this name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same_name(&column.name, name))
    }

    /// The unique key over exactly these columns, in any order. The primary key where there are several; never a partial one.
    pub(crate) fn key_over(&self, columns: &[&str]) -> Option<&UniqueKey> {
        let covers = |key: &UniqueKey| {
            !key.partial
                && key.columns.len() == columns.len()
                && columns.iter().all(|column| key.has_column(column))
        };
        let candidates = || self.unique_keys.iter().filter(|key| covers(key));
        candidates()
            .find(|key| key.origin != KeyOrigin::Unique)
            .or_else(|| candidates().next())
    }

    /// The primary key's columns, in key order.
    pub(crate) fn primary_key(&self) -> Vec<&str> {
        let mut columns: Vec<_> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.key_place?, column.name.as_str())))
            .collect();
        columns.sort_unstable();
        columns.into_iter().map(|(_, name)| name).collect()
    }
}

impl UniqueKey {
    /// Whether the column of this name is part of it.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| same_name(&column.name, name))
    }
}
