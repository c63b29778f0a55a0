//! What this store will never take, whatever happens: names and values that its engine cannot hold, documents that are too big.

use std::collections::HashSet;

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, Intent},
    store::Rejection,
    value::{Value, ValueError},
};

use crate::limits::{COLLECTION_BYTES_MAX, DOCUMENT_BYTES_MAX};

/// The operations of `intent` that are refused, with the reason. `found` holds the current documents, in the order of the operations.
pub(crate) fn refusals(intent: &Intent, found: &[Option<Document>]) -> Vec<Rejection> {
    let mut seen: HashSet<(&str, &DocumentId)> = HashSet::with_capacity(intent.operations.len());
    let mut refusals = Vec::new();
    for (operation, document) in intent.operations.iter().zip(found) {
        let collection = operation.model.collection();
        let twice = !seen.insert((collection, &operation.id));
        let reason = twice
            .then(|| "an intent holds one operation on a document, found two".to_owned())
            .or_else(|| collection_refusal(collection))
            .or_else(|| action_refusal(&operation.action, document.as_ref()));
        refusals.extend(reason.map(|reason| Rejection {
            collection,
            id: operation.id.clone(),
            reason,
        }));
    }
    refusals
}

fn collection_refusal(name: &str) -> Option<String> {
    let refused = name.is_empty() || name.len() > COLLECTION_BYTES_MAX || name.contains('\0');
    refused.then(|| format!("`{}` cannot be the name of a collection", name.escape_debug()))
}

fn action_refusal(action: &Action, found: Option<&Document>) -> Option<String> {
    let written: Vec<(&str, &Value)> = match action {
        Action::Insert(document) | Action::Seed(document) => fields(document).collect(),
        Action::Patch { set, .. } => set.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        Action::Delete => return None,
    };
    let invalid = |(name, value): &(&str, &Value)| {
        let reason: ValueError = value.validate().err()?;
        Some(format!("field `{name}`: {reason}"))
    };
    if let Some(reason) = written.iter().find_map(invalid) {
        return Some(reason);
    }
    let kept = found
        .filter(|_| matches!(action, Action::Patch { .. }))
        .into_iter()
        .flat_map(fields)
        .filter(|(name, _)| !written.iter().any(|(other, _)| other == name));
    let bytes: usize = kept
        .chain(written.iter().copied())
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum();
    (bytes > DOCUMENT_BYTES_MAX)
        .then(|| format!("a document has at most {DOCUMENT_BYTES_MAX} bytes, found {bytes}"))
}

fn fields(document: &Document) -> impl Iterator<Item = (&str, &Value)> {
    document.iter().map(|(name, value)| (name.as_str(), value))
}

/// About what the value costs in an update.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 9,
        Value::Text(text) => text.len() + 5,
        Value::Bytes(bytes) => bytes.len() + 6,
        Value::List(items) => items.iter().map(value_bytes).sum::<usize>() + 5,
        Value::Map(entries) => {
            let entries = entries.iter();
            entries
                .map(|(key, value)| key.len() + 5 + value_bytes(value))
                .sum::<usize>()
                + 5
        }
    }
}
