//! Our own tables beside the app's: their names, their DDL, and what is known of each model's.
//!
//! Not here: what the app's tables look like (`schema`), what fills the outbox (`capture`), what the entries mean (`merge`).

mod migration;
mod registration;

pub(crate) use migration::migrate;
pub(crate) use registration::{Registered, register};

use std::fmt::Write as _;

use ditto_sync_core::descriptor::ModelDescriptor;

use crate::schema::{
    TableShape,
    identifier::{quoted, same_name},
};

/// What all names of ours begin with: tables, and the triggers on the app's tables.
pub(crate) const PREFIX: &str = "ditto_sync_";

/// The kinds of an outbox entry, as its column `kind` holds them.
///
/// Only [`INSERT`](kind::INSERT) and [`MISSED`](kind::MISSED) tell a reader something that row and OLD image do not; the others differ for the triggers
/// alone. So a reader treats any other kind as "the row was there, and this was it".
pub(crate) mod kind {
    /// The row came into being; no OLD image.
    pub(crate) const INSERT: &str = "I";
    /// The row changed.
    pub(crate) const UPDATE: &str = "U";
    /// The row was deleted, or moved to another id.
    pub(crate) const DELETE: &str = "D";
    /// The row was about to be replaced, perhaps: by the row of its id, or by another one that took its place in a unique key; or nothing happened to it.
    pub(crate) const REPLACE: &str = "R";
    /// The row changed while no trigger watched: there is no OLD image. It gets one, and becomes an update, when the row meets its document. No trigger writes it.
    pub(crate) const MISSED: &str = "X";
}

/// A model, its table, and the bookkeeping of both.
///
/// The outbox has the columns `seq`, `kind`, `k0..` (id fields, key order) and `c0..` (fields, in the descriptor's order), none with a declared type,
/// so that they hold what the app's column held, bit by bit. The known set is a log: each row holds, one behind the other, 16 bytes of `IdHash` and 16 of `ContentHash` for
/// some ids, and what comes later counts (`known`).
///
/// `seq` starts again at 1 when the outbox has become empty: whoever deletes entries has to have read all of them.
#[derive(Debug, Clone)]
pub(crate) struct ModelLayout {
    /// Its number in [`MODELS`], and in the names of its tables and triggers.
    pub(crate) number: i64,
    pub(crate) model: &'static ModelDescriptor,
    /// The app's table as inspected: columns, unique keys, foreign keys, the app's triggers.
    pub(crate) shape: TableShape,
    /// The app's table, quoted.
    pub(crate) table: String,
    /// The outbox table, quoted.
    pub(crate) outbox: String,
    /// The known-set table, quoted.
    pub(crate) known: String,
    /// The id columns of the app's table in key order, quoted.
    pub(crate) id_columns: Vec<String>,
    /// The other mapped columns of the app's table in the descriptor's order, quoted.
    pub(crate) columns: Vec<String>,
    /// The model was not known to this database before: nothing of it has been captured yet.
    pub(crate) created: bool,
    /// Capture triggers were missing or different, so that changes may have been missed: a full reconcile is due.
    pub(crate) reinstalled: bool,
    /// Positions of fields that this database did not map before.
    pub(crate) new_fields: Vec<usize>,
    /// The hashes of the known set were made from other columns; they have to be made again in this very transaction.
    pub(crate) rehash: bool,
}

impl ModelLayout {
    fn new(number: i64, model: &'static ModelDescriptor, shape: TableShape) -> Self {
        let spelled = |name: &str| {
            let column = shape.columns.iter().find(|column| same_name(&column.name, name));
            quoted(column.map_or(name, |column| &column.name))
        };
        Self {
            number,
            model,
            table: quoted(&shape.name),
            outbox: outbox_table(number),
            known: quoted(&format!("{PREFIX}known_{number}")),
            id_columns: model
                .id_fields()
                .iter()
                .map(|field| spelled(field.column()))
                .collect(),
            columns: model
                .fields()
                .iter()
                .map(|field| spelled(field.column()))
                .collect(),
            shape,
            created: false,
            reinstalled: false,
            new_fields: Vec::new(),
            rehash: false,
        }
    }

    /// `k0, k1, .., c0, c1, ..`: the outbox columns after `seq` and `kind`, in the order of `id_columns` and `columns`.
    pub(crate) fn outbox_columns(&self) -> String {
        numbered(self.id_columns.len(), self.columns.len()).join(", ")
    }
}

/// The outbox of model `number`, quoted.
fn outbox_table(number: i64) -> String {
    quoted(&format!("{PREFIX}outbox_{number}"))
}

/// Names of `keys` key columns and `columns` other columns in an outbox.
fn numbered(keys: usize, columns: usize) -> Vec<String> {
    let keys = (0..keys).map(|at| format!("k{at}"));
    keys.chain((0..columns).map(|at| format!("c{at}"))).collect()
}

/// DDL of an outbox. Without declared types no affinity touches a value; without constraints the app's statement needs no journal of its own for our sake.
fn outbox_ddl(table: &str, keys: usize, columns: usize) -> String {
    let mut sql = format!("CREATE TABLE {table}(seq INTEGER PRIMARY KEY, kind TEXT");
    for name in numbered(keys, columns) {
        let _infallible = write!(sql, ", {name}");
    }
    sql.push(')');
    sql
}

/// DDL of the log of a known set.
fn known_ddl(table: &str) -> String {
    format!("CREATE TABLE {table}(no INTEGER PRIMARY KEY, entries BLOB NOT NULL)")
}
