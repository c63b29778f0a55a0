//! Whether a table fits its model. Finds everything at once, and says what to run.

use std::collections::HashMap;

use ditto_sync_core::{
    descriptor::{FieldDescriptor, ModelDescriptor},
    field::Storage,
    repository::Finding,
};

use super::{
    Column, TableKind, TableShape,
    affinity::{Affinity, keeps},
    identifier::{quoted, quoted_list, same_name},
};
use crate::{create, layout};

/// Most key columns that the guard table has room for.
const ID_FIELDS_MAX: usize = 8;

/// Everything wrong with the table of one model; `shape` is what its name names.
pub(crate) fn check(model: &ModelDescriptor, shape: Option<&TableShape>) -> Vec<Finding> {
    if is_ours(model.table()) {
        let problem = format!("names that begin with `{}` are reserved", layout::PREFIX);
        return vec![table_finding(
            model,
            problem,
            "map the model to a table of the app".to_owned(),
        )];
    }
    let Some(shape) = shape else {
        return vec![missing_table(model)];
    };
    if let Some(finding) = wrong_kind(model, shape.kind) {
        return vec![finding];
    }
    let mut findings = doubly_mapped(model);
    for field in mapped(model) {
        match shape.column(field.column()) {
            Some(column) => findings.extend(check_column(model, shape, field, column)),
            None => findings.push(missing_column(model, shape, field)),
        }
    }
    findings.extend(check_key(model, shape));
    findings.extend(unfilled_columns(model, shape));
    findings
}

/// What is wrong with the models beside each other.
pub(crate) fn check_together(models: &[&ModelDescriptor]) -> Vec<Finding> {
    let mut tables: HashMap<String, &str> = HashMap::new();
    let mut collections: HashMap<&str, &str> = HashMap::new();
    let mut findings = Vec::new();
    let remedy = || "give each model a table and a collection of its own".to_owned();
    for model in models {
        let this = model.type_name();
        if let Some(other) = tables.insert(model.table().to_ascii_lowercase(), this) {
            findings.push(table_finding(
                model,
                format!("both `{other}` and `{this}` are mapped to it"),
                remedy(),
            ));
        }
        if let Some(other) = collections.insert(model.collection(), this) {
            let problem = format!(
                "both `{other}` and `{this}` are mapped to the collection `{}`",
                model.collection()
            );
            findings.push(table_finding(model, problem, remedy()));
        }
    }
    findings
}

fn mapped(model: &ModelDescriptor) -> impl Iterator<Item = &'static FieldDescriptor> {
    model.id_fields().iter().chain(model.fields())
}

fn is_ours(table: &str) -> bool {
    let prefix = table.get(..layout::PREFIX.len());
    prefix.is_some_and(|prefix| same_name(prefix, layout::PREFIX))
}

fn missing_table(model: &ModelDescriptor) -> Finding {
    let remedy = format!(
        "call `create_missing_tables::<{}>()`, or run `{}`",
        model.type_name(),
        create::table_sql(model)
    );
    table_finding(model, "does not exist".to_owned(), remedy)
}

fn wrong_kind(model: &ModelDescriptor, kind: TableKind) -> Option<Finding> {
    let what = match kind {
        TableKind::Table => return None,
        TableKind::View => "is a view, whose changes no trigger can see",
        TableKind::Virtual => "is a virtual table, which can have no triggers",
    };
    Some(table_finding(
        model,
        what.to_owned(),
        "map the model to an ordinary table".to_owned(),
    ))
}

fn doubly_mapped(model: &ModelDescriptor) -> Vec<Finding> {
    let mut columns: HashMap<String, &str> = HashMap::new();
    let mut findings = Vec::new();
    for field in mapped(model) {
        if let Some(other) = columns.insert(field.column().to_ascii_lowercase(), field.name()) {
            let problem = format!(
                "both the fields `{other}` and `{}` are mapped to it",
                field.name()
            );
            findings.push(column_finding(
                model,
                field.column(),
                problem,
                "map one of them elsewhere".to_owned(),
            ));
        }
    }
    findings
}

fn missing_column(model: &ModelDescriptor, shape: &TableShape, field: &FieldDescriptor) -> Finding {
    let known: Vec<_> = shape
        .columns
        .iter()
        .map(|column| format!("`{}`", column.name))
        .collect();
    let default = match field.storage_class() {
        Storage::Integer => "0",
        Storage::Real => "0.0",
        Storage::Text | Storage::Any => "''",
        Storage::Blob => "x''",
    };
    let constraint = if field.is_nullable() {
        String::new()
    } else {
        format!(" NOT NULL DEFAULT {default}")
    };
    let remedy = format!(
        "run `ALTER TABLE {} ADD COLUMN {} {}{constraint}`, or name one that exists: {}",
        quoted(&shape.name),
        quoted(field.column()),
        field.storage_class().sql_type(),
        known.join(", ")
    );
    column_finding(model, field.column(), "does not exist".to_owned(), remedy)
}

fn check_column(
    model: &ModelDescriptor,
    shape: &TableShape,
    field: &FieldDescriptor,
    column: &Column,
) -> Option<Finding> {
    let finding =
        |problem: String, remedy: String| Some(column_finding(model, &column.name, problem, remedy));
    if column.generated {
        let remedy = format!("leave the field `{}` out with `skip`", field.name());
        return finding("is generated, so it cannot be written".to_owned(), remedy);
    }
    if field.is_counter() && column.affinity != Affinity::Integer {
        let problem = format!("is a counter in a column of {} affinity", column.affinity.name());
        return finding(problem, "declare the column as INTEGER".to_owned());
    }
    if keeps(
        field.storage_class(),
        field.is_never_numeric(),
        &column.declared,
        shape.strict,
    ) {
        return None;
    }
    let class = field.storage_class().sql_type();
    let class = if class.is_empty() { "ANY" } else { class };
    let problem = if shape.strict {
        format!(
            "the STRICT type {} refuses the {class} values of the field `{}`",
            column.declared,
            field.name()
        )
    } else {
        format!(
            "its {} affinity (declared `{}`) changes the {class} values of the field `{}`",
            column.affinity.name(),
            column.declared,
            field.name()
        )
    };
    finding(
        problem,
        format!("declare the column as {class}, or give the field another `storage`"),
    )
}

fn check_key(model: &ModelDescriptor, shape: &TableShape) -> Option<Finding> {
    let ids: Vec<_> = model.id_fields().iter().map(FieldDescriptor::column).collect();
    if ids.is_empty() || ids.len() > ID_FIELDS_MAX {
        let problem = format!("the model has {} id fields", ids.len());
        return Some(table_finding(
            model,
            problem,
            format!("mark 1 to {ID_FIELDS_MAX} fields with `id`"),
        ));
    }
    if ids.iter().any(|id| shape.column(id).is_none())
        || shape.key_over(&ids).is_some_and(|_| ids_are_set(shape, &ids))
    {
        return None;
    }
    let list = quoted_list(ids.iter().copied());
    let primary_key = shape.primary_key();
    let nullable = shape.key_over(&ids).is_some();
    let problem = if nullable {
        format!("the unique index over the id fields {list} admits NULL")
    } else if primary_key.is_empty() {
        format!("has no primary key; the id fields are {list}")
    } else {
        format!(
            "its primary key is {}, the id fields are {list}",
            quoted_list(primary_key)
        )
    };
    let remedy = if nullable {
        "declare the columns NOT NULL".to_owned()
    } else {
        let index = quoted(&format!("{}_id", shape.name));
        format!(
            "mark the fields of the primary key with `id`, or declare the id columns NOT NULL and run `CREATE UNIQUE INDEX {index} ON {}({list})`",
            quoted(&shape.name)
        )
    };
    Some(table_finding(model, problem, remedy))
}

/// A primary key may admit NULL in SQLite by an old mistake of its own; such rows are quarantined when they turn up. An index that stands in for it must not.
fn ids_are_set(shape: &TableShape, ids: &[&str]) -> bool {
    let column = |id: &&str| shape.column(id);
    ids.iter()
        .filter_map(column)
        .all(|column| column.not_null || column.key_place.is_some())
}

/// Columns that an incoming row would leave empty, though they must not be.
fn unfilled_columns(model: &ModelDescriptor, shape: &TableShape) -> Vec<Finding> {
    if !model.direction().receives() {
        return Vec::new();
    }
    let unmapped = |column: &&Column| mapped(model).all(|field| !same_name(field.column(), &column.name));
    let unfilled = shape.columns.iter().filter(unmapped).filter(|column| {
        let counted = !shape.without_rowid && shape.primary_key() == [column.name.as_str()];
        let rowid = counted && column.declared.eq_ignore_ascii_case("INTEGER");
        column.not_null && !column.has_default && !column.generated && !rowid
    });
    let finding = |column: &Column| {
        let problem = "is NOT NULL without a default, and no field is mapped to it: no row from the store can be inserted";
        let remedy = "map a field to it, give it a default, or make the model `send_only`";
        column_finding(model, &column.name, problem.to_owned(), remedy.to_owned())
    };
    unfilled.map(finding).collect()
}

fn table_finding(model: &ModelDescriptor, problem: String, remedy: String) -> Finding {
    Finding {
        table: model.table().to_owned(),
        column: None,
        problem,
        remedy,
    }
}

fn column_finding(model: &ModelDescriptor, column: &str, problem: String, remedy: String) -> Finding {
    Finding {
        table: model.table().to_owned(),
        column: Some(column.to_owned()),
        problem,
        remedy,
    }
}
