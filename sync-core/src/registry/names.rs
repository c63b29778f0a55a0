//! Which collections and tables the models of a registry have.

use std::collections::BTreeSet;

use super::RegistryError;
use crate::descriptor::ModelDescriptor;

/// There are models, and no two share a collection or a table.
pub(super) fn check(models: &[&'static ModelDescriptor]) -> Result<(), RegistryError> {
    if models.is_empty() {
        return Err(RegistryError::Empty);
    }
    for (at, model) in models.iter().enumerate() {
        for other in &models[..at] {
            let duplicate = |what, name| RegistryError::Duplicate {
                what,
                name,
                first: other.type_path(),
                second: model.type_path(),
            };
            if other.collection() == model.collection() {
                return Err(duplicate("collection", model.collection()));
            }
            if other.table().eq_ignore_ascii_case(model.table()) {
                return Err(duplicate("table", model.table()));
            }
        }
    }
    Ok(())
}

/// The models have these collections and no others.
pub(super) fn check_expected(
    models: &[&'static ModelDescriptor],
    expected: &BTreeSet<String>,
) -> Result<(), RegistryError> {
    let found = collections(models);
    let (missing, unexpected): (Vec<_>, Vec<_>) = (
        expected.difference(&found).cloned().collect(),
        found.difference(expected).cloned().collect(),
    );
    if missing.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    Err(RegistryError::Collections { missing, unexpected })
}

/// What to say of the first collection that no model has.
pub(super) fn unknown(
    models: &[&'static ModelDescriptor],
    named: &BTreeSet<String>,
) -> Option<RegistryError> {
    let found = collections(models);
    let unknown = named.difference(&found).next()?;
    Some(RegistryError::UnknownCollection {
        name: unknown.clone(),
        known: found.iter().cloned().collect::<Vec<_>>().join(", "),
    })
}

fn collections(models: &[&'static ModelDescriptor]) -> BTreeSet<String> {
    models.iter().map(|model| model.collection().to_owned()).collect()
}
