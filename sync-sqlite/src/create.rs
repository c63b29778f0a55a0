//! The table that a model would have, for `create_missing_tables`.
//!
//! Not here: whether a table that exists fits (`schema`).

use ditto_sync_core::{
    descriptor::{FieldDescriptor, ModelDescriptor},
    field::Storage,
};

use crate::schema::identifier::{quoted, quoted_list};

/// `CREATE TABLE IF NOT EXISTS` for `model`: the id columns first.
pub(crate) fn table_sql(model: &ModelDescriptor) -> String {
    let ids = model.id_fields();
    let rowid = matches!(ids, [id] if id.storage_class() == Storage::Integer);
    let mut definitions: Vec<_> = ids
        .iter()
        .map(|field| match rowid {
            true => format!("{} INTEGER PRIMARY KEY", quoted(field.column())),
            false => column_sql(field, true),
        })
        .collect();
    definitions.extend(
        model
            .fields()
            .iter()
            .map(|field| column_sql(field, !field.is_nullable())),
    );
    if !rowid {
        let key = quoted_list(ids.iter().map(FieldDescriptor::column));
        definitions.push(format!("PRIMARY KEY ({key})"));
    }
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({})",
        quoted(model.table()),
        definitions.join(", ")
    )
}

fn column_sql(field: &FieldDescriptor, not_null: bool) -> String {
    let mut sql = quoted(field.column());
    for part in [
        field.storage_class().sql_type(),
        if not_null { "NOT NULL" } else { "" },
    ] {
        if !part.is_empty() {
            sql.push(' ');
            sql.push_str(part);
        }
    }
    sql
}
