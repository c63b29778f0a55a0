//! Rows that belong nowhere: [`is_local`].

use crate::{
    column::{ColumnValue, Image},
    descriptor::{ModelDescriptor, Scope},
};

/// Whether a row belongs to no scope at all, because its scope fields are NULL: one of them where all have to match, all of them where any may. No context
/// would match it, so it is this device's own: it is neither sent nor removed, and counted.
#[must_use]
pub fn is_local(model: &ModelDescriptor, row: &Image) -> bool {
    let is_null = |name: &&str| {
        let mut fields = model.fields().iter();
        // An id field is never NULL.
        let at = fields.position(|field| field.document_name() == *name);
        at.is_some_and(|at| row[at] == ColumnValue::Null)
    };
    match model.scope() {
        Scope::Everything => false,
        Scope::All(names) => names.iter().any(&is_null),
        Scope::Any(names) => !names.is_empty() && names.iter().all(is_null),
    }
}
