//! The context given to the queries of the models: [`scopes`].

use std::collections::{BTreeMap, BTreeSet};

use super::RegistryError;
use crate::{
    descriptor::ModelDescriptor,
    field::FieldKind,
    query::{Filter, Operand, Query},
    scope::Scopes,
    value::Value,
};

/// What belongs on this device: the scope and the filter of each model, with the values of the context.
///
/// # Errors
/// When a value is missing, unknown, or of another kind than a field it is compared with. The last would match nothing, and a device that
/// nothing belongs to loses its rows.
pub(super) fn scopes(
    models: &[&'static ModelDescriptor],
    context: &BTreeMap<String, Value>,
) -> Result<Scopes, RegistryError> {
    let mut queries: Vec<(&'static ModelDescriptor, Query)> = models
        .iter()
        .filter_map(|model| Some((*model, Query::scope(model)?)))
        .collect();
    check_names(&queries, context)?;
    for (model, query) in &queries {
        if let Some(filter) = query.filter() {
            check_kinds(model, filter, context)?;
        }
    }
    let mut scopes = Scopes::everything();
    for (model, query) in &mut queries {
        let mut query = std::mem::take(query);
        let parameters: Vec<String> = query.missing_parameters().into_iter().map(Into::into).collect();
        for name in parameters {
            let value = context.get(&name).cloned().unwrap_or_default();
            query = query.with(name, value);
        }
        scopes.set(model, query);
    }
    Ok(scopes)
}

/// The context has a value for every parameter, and for nothing else.
fn check_names(
    queries: &[(&'static ModelDescriptor, Query)],
    context: &BTreeMap<String, Value>,
) -> Result<(), RegistryError> {
    let known: BTreeSet<&str> = queries
        .iter()
        .flat_map(|(_, query)| query.missing_parameters())
        .collect();
    let all_known = || known.iter().copied().collect::<Vec<_>>().join(", ");
    if let Some(unknown) = context.keys().find(|name| !known.contains(name.as_str())) {
        return Err(RegistryError::UnknownParameter {
            name: unknown.clone(),
            known: all_known(),
        });
    }
    if let Some(missing) = known.iter().find(|name| !context.contains_key(**name)) {
        return Err(RegistryError::MissingParameter {
            name: (*missing).to_owned(),
            known: all_known(),
        });
    }
    Ok(())
}

/// Every parameter is comparable with the fields it is compared with.
fn check_kinds(
    model: &ModelDescriptor,
    filter: &Filter,
    context: &BTreeMap<String, Value>,
) -> Result<(), RegistryError> {
    let (name, operands) = match filter {
        Filter::Compare(name, _, operand) => (name, std::slice::from_ref(operand)),
        Filter::In(name, operands) => (name, operands.as_slice()),
        Filter::IsNull(_) => return Ok(()),
        Filter::And(parts) | Filter::Or(parts) => {
            return parts
                .iter()
                .try_for_each(|part| check_kinds(model, part, context));
        }
        Filter::Not(part) => return check_kinds(model, part, context),
    };
    let mut fields = model.id_fields().iter().chain(model.fields());
    let Some(field) = fields.find(|field| field.document_name() == name.as_str()) else {
        return Ok(());
    };
    let wrong = operands.iter().find_map(|operand| match operand {
        Operand::Parameter(name) => {
            let value = context.get(name)?;
            (!is_comparable(field.kind(), value)).then_some((name, value))
        }
        Operand::Literal(_) => None,
    });
    match wrong {
        None => Ok(()),
        Some((parameter, value)) => Err(RegistryError::ParameterKind {
            name: parameter.clone(),
            found: value.kind_name(),
            model: model.type_path(),
            field: name.to_string(),
            kind: field.kind(),
        }),
    }
}

/// Whether a field of this kind may hold what equals `value`. Null equals nothing.
fn is_comparable(kind: FieldKind, value: &Value) -> bool {
    match kind {
        FieldKind::Bool => matches!(value, Value::Bool(_)),
        FieldKind::Int | FieldKind::Float => matches!(value, Value::Int(_) | Value::Float(_)),
        FieldKind::Text => matches!(value, Value::Text(_)),
        FieldKind::Bytes => matches!(value, Value::Bytes(_)),
        FieldKind::Json | FieldKind::Any => !value.is_null(),
    }
}
