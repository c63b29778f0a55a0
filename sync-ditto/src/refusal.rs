//! What the engine refuses, or would end the process over, found before it is asked: [`refusals`].
//!
//! One bad document fails a whole statement, and the engine's message does not always name it; so every operation is checked alone. Plain
//! functions.

use std::collections::HashSet;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::{DocumentId, IdPart},
    intent::{Action, Operation},
    store::Rejection,
    value::Value,
};

use crate::{
    limits::{COLLECTION_BYTES_MAX, DOCUMENT_BYTES_MAX, ID_CBOR_BYTES_MAX},
    wire::ID_FIELD,
};

/// The operations that the engine will never take, with the reason.
pub(crate) fn refusals(operations: &[Operation]) -> Vec<Rejection> {
    let mut seen: HashSet<(&str, &DocumentId)> = HashSet::with_capacity(operations.len());
    let mut refusals = Vec::new();
    for operation in operations {
        let (collection, id) = (operation.model.collection(), &operation.id);
        let twice = !seen.insert((collection, id));
        let reason = twice
            .then(|| "an intent holds one operation on a document, found two".to_owned())
            .or_else(|| collection_refusal(collection))
            .or_else(|| id_refusal(id))
            .or_else(|| action_refusal(operation.model, id, &operation.action));
        refusals.extend(reason.map(|reason| Rejection {
            collection,
            id: id.clone(),
            reason,
        }));
    }
    refusals
}

/// Why this cannot be a collection. Longer names than the limit would end the process, NUL panics, the rest belongs to the engine.
pub(crate) fn collection_refusal(name: &str) -> Option<String> {
    let reason = if name.is_empty() || name.len() > COLLECTION_BYTES_MAX {
        "it must have 1 to 255 bytes"
    } else if name.contains('\0') {
        "it has a NUL character"
    } else if name.starts_with("__") || name.starts_with("system:") {
        "such names belong to Ditto"
    } else {
        return None;
    };
    Some(format!(
        "`{}` cannot be a Ditto collection: {reason}",
        name.escape_debug()
    ))
}

/// Why this cannot be an `_id`.
pub(crate) fn id_refusal(id: &DocumentId) -> Option<String> {
    let bytes = id_cbor_bytes(id);
    (bytes > ID_CBOR_BYTES_MAX)
        .then(|| format!("an id has at most {ID_CBOR_BYTES_MAX} bytes in Ditto, found {bytes}"))
}

/// The size of an id in CBOR, at most.
fn id_cbor_bytes(id: &DocumentId) -> usize {
    let parts = id.parts().iter().map(|part| match part {
        IdPart::Integer(_) => 9,
        IdPart::Text(text) if text.len() < 24 => text.len() + 1,
        IdPart::Text(text) => text.len() + 2 + usize::from(text.len() > 255),
    });
    parts.sum::<usize>() + usize::from(id.parts().len() > 1)
}

fn action_refusal(model: &ModelDescriptor, id: &DocumentId, action: &Action) -> Option<String> {
    let fields: Vec<_> = match action {
        Action::Insert(document) | Action::Seed(document) => document.iter().collect(),
        Action::Patch { set, increments } => {
            let names = set.iter().map(|(name, _)| name);
            let mut names = names.chain(increments.iter().map(|(name, _)| name));
            if names.any(|name| name == ID_FIELD) {
                return Some(format!(
                    "field `{ID_FIELD}`: Ditto keeps the id there, and ids do not change"
                ));
            }
            let refused = increments.iter().find_map(|(name, _)| name_refusal(name));
            if refused.is_some() {
                return refused;
            }
            set.iter().map(|(name, value)| (name, value)).collect()
        }
        Action::Delete => return None,
    };
    let refused = fields
        .iter()
        .find_map(|(name, value)| field_refusal(model, id, name, value));
    if refused.is_some() {
        return refused;
    }
    let bytes: usize = fields
        .iter()
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum();
    (bytes > DOCUMENT_BYTES_MAX)
        .then(|| format!("a document has at most {DOCUMENT_BYTES_MAX} bytes in Ditto, found {bytes}"))
}

fn field_refusal(model: &ModelDescriptor, id: &DocumentId, name: &str, value: &Value) -> Option<String> {
    if let Err(reason) = value.validate() {
        return Some(format!("field `{name}`: {reason}"));
    }
    if name == ID_FIELD && *value != id.to_value() {
        return Some(format!(
            "field `{ID_FIELD}`: Ditto keeps the id there, and it holds something else"
        ));
    }
    if is_counter(model, name) && !matches!(value, Value::Int(_) | Value::Null) {
        return Some(format!(
            "field `{name}`: a counter is an integer, found {}",
            value.kind_name()
        ));
    }
    name_refusal(name)
}

/// Names of fields stand in the text of statements only where they are declared or counted; a NUL there panics, and no field needs one.
fn name_refusal(name: &str) -> Option<String> {
    name.contains('\0').then(|| {
        format!(
            "field `{}`: a name in Ditto has no NUL character",
            name.escape_debug()
        )
    })
}

/// Whether the model counts this document field.
pub(crate) fn is_counter(model: &ModelDescriptor, name: &str) -> bool {
    model
        .fields()
        .iter()
        .any(|field| field.is_counter() && field.document_name() == name)
}

/// About what a value costs in CBOR.
pub(crate) fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 9,
        Value::Text(text) => text.len() + 5,
        Value::Bytes(bytes) => bytes.len() + 5,
        Value::List(items) => items.iter().map(value_bytes).sum::<usize>() + 5,
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| key.len() + 5 + value_bytes(value));
            entries.sum::<usize>() + 5
        }
    }
}
