//! Which rows of a pass break foreign keys: asked of the tables themselves, because SQLite only says that some do.
//!
//! The keys are read when they are needed: rarely, and the schema may have changed.

use ditto_sync_core::column::ColumnValue;

use super::{pass::Failure, work::Work};
use crate::{
    native::{Native, NativeError},
    schema::identifier::{quoted, same_name},
    state::{Fault, ModelSql, Session},
};

/// A foreign key of any table, mapped or not.
#[derive(Debug)]
pub(crate) struct ForeignKey {
    child: String,
    child_columns: Vec<String>,
    parent: String,
    parent_columns: Vec<String>,
    on_delete: String,
}

/// All foreign keys of the database.
pub(crate) fn all(native: &Native<'_>) -> Result<Vec<ForeignKey>, Fault> {
    let mut select = native.prepare(
        "SELECT child.name, key.id, key.\"table\", key.\"from\", key.\"to\", key.on_delete
         FROM main.sqlite_schema AS child, pragma_foreign_key_list(child.name) AS key
         WHERE child.type = 'table' ORDER BY child.name, key.id, key.seq",
    )?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while select.step()? {
        let (child, number, parent) = (
            select.column_text(0)?,
            select.column_i64(1),
            select.column_text(2)?,
        );
        if keys
            .last()
            .is_none_or(|(last, key)| *last != number || key.child != child)
        {
            keys.push((
                number,
                ForeignKey {
                    child: child.to_owned(),
                    child_columns: Vec::new(),
                    parent: parent.to_owned(),
                    parent_columns: Vec::new(),
                    on_delete: select.column_text(5)?.to_owned(),
                },
            ));
        }
        let (_, key) = keys.last_mut().expect("one was pushed if there was none");
        key.child_columns.push(select.column_text(3)?.to_owned());
        if !select.is_null(4) {
            key.parent_columns.push(select.column_text(4)?.to_owned());
        }
    }
    drop(select);
    let mut complete = Vec::with_capacity(keys.len());
    for (_, mut key) in keys {
        if key.parent_columns.is_empty() {
            key.parent_columns = primary_key(native, &key.parent)?;
        }
        if key.parent_columns.len() == key.child_columns.len() {
            complete.push(key);
        }
    }
    Ok(complete)
}

/// Of the rows at the positions `changed`, those without a parent, and the deleted ones with children left.
pub(super) fn offenders(
    native: &Native<'_>,
    keys: &[ForeignKey],
    (session, work, changed): (&Session, &[Work<'_>], &[usize]),
) -> Result<Vec<(usize, Failure)>, Fault> {
    let mut found: Vec<(usize, Failure)> = Vec::new();
    for key in keys {
        for (model, sql) in session.models().iter().enumerate() {
            let table = sql.model.table();
            let of_model = |upserts: bool| {
                changed
                    .iter()
                    .copied()
                    .filter(move |&at| work[at].model == model && work[at].is_upsert() == upserts)
            };
            if same_name(table, &key.child) {
                let question = key.missing_parent_sql(sql);
                let reason = format!("waits for a row of `{}`", key.parent);
                ask(
                    native,
                    &question,
                    (work, of_model(true)),
                    (sql, None, &reason),
                    &mut found,
                )?;
            }
            if same_name(table, &key.parent)
                && let Some(order) = key.id_order(sql)
            {
                let question = key.remaining_child_sql();
                let reason = format!("rows of `{}` still refer to it", key.child);
                ask(
                    native,
                    &question,
                    (work, of_model(false)),
                    (sql, Some(&order), &reason),
                    &mut found,
                )?;
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.dedup_by_key(|(at, _)| *at);
    Ok(found)
}

/// Puts `question` with the key of each row, in `order`; a row in answer makes it an offender.
fn ask(
    native: &Native<'_>,
    question: &str,
    (work, rows): (&[Work<'_>], impl Iterator<Item = usize>),
    (sql, order, reason): (&ModelSql, Option<&[usize]>, &str),
    found: &mut Vec<(usize, Failure)>,
) -> Result<(), Fault> {
    let mut ask = native.prepare(question)?;
    for at in rows {
        let Ok(key) = sql.model.id_to_columns(&work[at].item.id) else {
            continue;
        };
        let values: Vec<&ColumnValue> = match order {
            Some(order) => order.iter().map(|&part| &key[part]).collect(),
            None => key.iter().collect(),
        };
        ask.bind_all(values)?;
        if ask.step()? {
            found.push((at, Failure::Waits(reason.to_owned())));
        }
        ask.reset();
    }
    Ok(())
}

impl ForeignKey {
    pub(crate) fn child(&self) -> &str {
        &self.child
    }

    pub(crate) fn parent(&self) -> &str {
        &self.parent
    }

    /// Whether a delete of the parent changes the child, instead of being refused.
    pub(crate) fn acts(&self) -> bool {
        self.cascades() || self.on_delete.starts_with("SET ")
    }

    pub(crate) fn cascades(&self) -> bool {
        self.on_delete == "CASCADE"
    }

    /// `key of the parent -> keys` of the rows of `child` that refer to it.
    pub(crate) fn children_sql(&self, child: &ModelSql, parent: &ModelSql) -> String {
        let listed: Vec<_> = child
            .model
            .id_fields()
            .iter()
            .map(|field| format!("child.{}", quoted(field.column())))
            .collect();
        let pairs = self.parent_columns.iter().zip(&self.child_columns);
        let met: Vec<_> = pairs
            .map(|(parent, child)| format!("child.{} = parent.{}", quoted(child), quoted(parent)))
            .collect();
        let ids = parent.model.id_fields().iter().enumerate();
        let this: Vec<_> = ids
            .map(|(at, field)| format!("parent.{} = ?{}", quoted(field.column()), at + 1))
            .collect();
        format!(
            "SELECT {} FROM main.{} AS child, main.{} AS parent WHERE {} AND {}",
            listed.join(", "),
            quoted(&self.child),
            quoted(&self.parent),
            this.join(" AND "),
            met.join(" AND "),
        )
    }

    /// Whether the row with this id refers to a row that is missing.
    fn missing_parent_sql(&self, sql: &ModelSql) -> String {
        let id = sql.model.id_fields().iter().enumerate();
        let this: Vec<_> = id
            .map(|(at, field)| format!("child.{} = ?{}", quoted(field.column()), at + 1))
            .collect();
        let refers: Vec<_> = self
            .child_columns
            .iter()
            .map(|column| format!("child.{} IS NOT NULL", quoted(column)))
            .collect();
        let pairs = self.parent_columns.iter().zip(&self.child_columns);
        let met: Vec<_> = pairs
            .map(|(parent, child)| format!("parent.{} = child.{}", quoted(parent), quoted(child)))
            .collect();
        format!(
            "SELECT 1 FROM main.{child} AS child WHERE {this} AND {refers}
             AND NOT EXISTS (SELECT 1 FROM main.{parent} AS parent WHERE {met})",
            child = quoted(&self.child),
            this = this.join(" AND "),
            refers = refers.join(" AND "),
            parent = quoted(&self.parent),
            met = met.join(" AND "),
        )
    }

    /// Whether some row refers to these values.
    fn remaining_child_sql(&self) -> String {
        let columns = self.child_columns.iter().enumerate();
        let refers: Vec<_> = columns
            .map(|(at, column)| format!("{} = ?{}", quoted(column), at + 1))
            .collect();
        format!(
            "SELECT 1 FROM main.{} WHERE {} LIMIT 1",
            quoted(&self.child),
            refers.join(" AND ")
        )
    }

    /// Where the columns referred to are in the id; `None` when they are others.
    fn id_order(&self, sql: &ModelSql) -> Option<Vec<usize>> {
        let id = sql.model.id_fields();
        let place = |column: &String| id.iter().position(|field| same_name(field.column(), column));
        self.parent_columns.iter().map(place).collect()
    }
}

fn primary_key(native: &Native<'_>, table: &str) -> Result<Vec<String>, NativeError> {
    let mut select =
        native.prepare("SELECT name FROM pragma_table_info(?1, 'main') WHERE pk > 0 ORDER BY pk")?;
    select.bind_text(1, table)?;
    let mut columns = Vec::new();
    while select.step()? {
        columns.push(select.column_text(0)?.to_owned());
    }
    Ok(columns)
}
