//! Own writes that gave way to concurrent ones inside of the store, told as conflicts.
//!
//! They are told and counted, and not kept in the database: the store merges before the coordinator hears of it.

use super::engine::Engine;
use crate::{
    column::ColumnValue,
    descriptor::FieldDescriptor,
    merge::{Conflict, ConflictKind, FieldConflict},
    repository::Repository,
    store::{DocumentStore, Overwritten},
    value::Value,
};

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Tells listeners of own writes to documents of this model that were replaced.
    pub(super) fn report_overwritten(&mut self, model: usize, overwritten: &[Overwritten]) {
        if overwritten.is_empty() {
            return;
        }
        let descriptor = self.model(model);
        let conflicts: Vec<Conflict> = overwritten
            .iter()
            .map(|overwritten| Conflict {
                collection: descriptor.collection(),
                id: overwritten.id.clone(),
                kind: ConflictKind::LocalOverwritten,
                fields: descriptor
                    .fields()
                    .iter()
                    .filter_map(|field| field_conflict(field, overwritten))
                    .collect(),
            })
            // Fields that this app does not know are nobody's loss here.
            .filter(|conflict| !conflict.fields.is_empty())
            .collect();
        self.reporter.conflicts(&conflicts);
    }
}

fn field_conflict(field: &FieldDescriptor, overwritten: &Overwritten) -> Option<FieldConflict> {
    let found = overwritten
        .fields
        .iter()
        .find(|other| *other.field == *field.document_name())?;
    Some(FieldConflict {
        field: field.document_name(),
        local: Some(column(field, &found.ours)),
        remote: found.theirs.as_ref().map(|value| column(field, value)),
    })
}

/// The value as its column holds it; as text where the column cannot.
fn column(field: &FieldDescriptor, value: &Value) -> ColumnValue {
    field
        .to_column(value)
        .unwrap_or_else(|_| ColumnValue::Text(format!("{value:?}")))
}
