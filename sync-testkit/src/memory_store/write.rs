//! A conditional write: what is refused, what is stale, and what each operation does to a replica. See [`write()`].

use std::{collections::HashSet, sync::Arc};

use ditto_sync_core::{
    document::{Document, FieldName},
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Intent, Operation},
    rules::{Rule, any_off, off},
    store::{Rejection, StaleId, StoreError, WriteOutcome},
    value::{Value, ValueError},
};

use super::{
    Flavor,
    document_state::{DocumentState, Stamps},
    id_hash::IdHashing,
    replica::{Mark, Replica},
};

/// What a write needs to know beside the replica.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteContext {
    /// What the wall clock says.
    pub(super) physical: u64,
    /// Bigger documents are refused, in bytes.
    pub(super) document_bytes_max: usize,
    pub(super) any_value: bool,
    /// Observations are not told.
    pub(super) silent: bool,
}

/// Applies `intent` as a whole or not at all. `rejected` names ids that a test wants refused.
pub(super) fn write(
    replica: &mut Replica,
    intent: &Intent,
    context: WriteContext,
    rejected: impl Fn(&Operation) -> Option<String>,
) -> Result<WriteOutcome, StoreError> {
    let batch = intent.batch;
    // Numbers only grow, and a number that was refused is never used again: what is not newer was applied.
    let last = replica.last_applied.get(&batch.replica).copied();
    if last.is_some_and(|last| batch.sequence <= last) && !off(Rule::BatchOnce) {
        return Ok(WriteOutcome::Applied);
    }
    let documents = Documents::of(replica, intent);
    let refused = rejections(intent, &documents, &context, rejected);
    if !refused.is_empty() {
        return Err(StoreError::Rejected(refused));
    }
    let stale = stale_ids(intent, &documents);
    if !stale.is_empty() && !off(Rule::AtomicStale) {
        return Ok(WriteOutcome::Stale(stale));
    }
    if replica.flavor == Flavor::Ditto {
        let keys = intent
            .operations
            .iter()
            .map(|operation| (operation.model.collection(), operation.id.clone()));
        replica.keep_for_undo(batch.replica, keys);
    }
    let is_stale = |operation: &&Operation| stale.iter().any(|stale| stale.id == operation.id);
    for operation in intent.operations.iter().filter(|operation| !is_stale(operation)) {
        apply(replica, operation, context);
    }
    replica.last_applied.insert(batch.replica, batch.sequence);
    Ok(match stale.is_empty() {
        true => WriteOutcome::Applied,
        false => WriteOutcome::Stale(stale),
    })
}

/// The visible documents of an intent, in the order of its operations.
struct Documents(Vec<Option<Document>>);

impl Documents {
    fn of(replica: &Replica, intent: &Intent) -> Self {
        let view = |operation: &Operation| replica.state(operation.model.collection(), &operation.id)?.view();
        Self(intent.operations.iter().map(view).collect())
    }

    fn with<'a>(&'a self, intent: &'a Intent) -> impl Iterator<Item = (&'a Operation, Option<&'a Document>)> {
        intent.operations.iter().zip(self.0.iter().map(Option::as_ref))
    }
}

fn stale_ids(intent: &Intent, documents: &Documents) -> Vec<StaleId> {
    let stale = documents
        .with(intent)
        .filter(|(operation, document)| !operation.expect.is_met_by(operation.model, *document))
        .filter(|(operation, _)| !off(Rule::Cas) || matches!(operation.action, Action::Seed(_)));
    stale
        .map(|(operation, _)| StaleId {
            collection: operation.model.collection(),
            id: operation.id.clone(),
        })
        .collect()
}

fn rejections(
    intent: &Intent,
    documents: &Documents,
    context: &WriteContext,
    rejected: impl Fn(&Operation) -> Option<String>,
) -> Vec<Rejection> {
    let mut seen: HashSet<(&str, &DocumentId), IdHashing> =
        HashSet::with_capacity_and_hasher(intent.operations.len(), IdHashing::default());
    let mut rejections = Vec::new();
    for (operation, document) in documents.with(intent) {
        let twice = !seen.insert((operation.model.collection(), &operation.id));
        let reason = twice
            .then(|| "an intent holds one operation on a document, found two".to_owned())
            .or_else(|| collection_refusal(operation.model.collection()))
            .or_else(|| action_refusal(&operation.action, document, context))
            .or_else(|| rejected(operation));
        if let Some(reason) = reason {
            let (collection, id) = (operation.model.collection(), operation.id.clone());
            rejections.push(Rejection {
                collection,
                id,
                reason,
            });
        }
    }
    rejections
}

/// The names that every engine takes: 1 to 255 bytes, no NUL, not those of the engine itself.
fn collection_refusal(name: &str) -> Option<String> {
    const NAME_BYTES_MAX: usize = 255;
    let refused = name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.contains('\0')
        || name.starts_with("__")
        || name.starts_with("system:");
    refused.then(|| format!("`{}` cannot be the name of a collection", name.escape_debug()))
}

fn action_refusal(action: &Action, found: Option<&Document>, context: &WriteContext) -> Option<String> {
    let (reason, bytes) = match action {
        Action::Insert(document) | Action::Seed(document) => fields_refusal(document.iter()),
        Action::Patch { set, .. } => {
            let replaced = |name: &str| set.iter().any(|(other, _)| other == name);
            let kept = found
                .into_iter()
                .flat_map(Document::iter)
                .filter(|(name, _)| !replaced(name));
            let kept_bytes: usize = kept.map(|(name, value)| name.len() + value_bytes(value)).sum();
            let (reason, bytes) = fields_refusal(set.iter().map(|(name, value)| (name, value)));
            (reason, bytes + kept_bytes)
        }
        Action::Delete => return None,
    };
    if let Some(reason) = reason.filter(|_| !context.any_value) {
        return Some(reason);
    }
    let bytes_max = context.document_bytes_max;
    (bytes > bytes_max).then(|| format!("a document has at most {bytes_max} bytes, found {bytes}"))
}

/// What is wrong with the first of these fields that has something wrong with it, and about what they cost.
fn fields_refusal<'a>(fields: impl Iterator<Item = (&'a FieldName, &'a Value)>) -> (Option<String>, usize) {
    let (mut reason, mut bytes) = (None, 0);
    for (name, value) in fields {
        bytes += name.len() + value_bytes(value);
        let invalid = value.validate().err().filter(|_| reason.is_none());
        reason = invalid
            .map(|invalid: ValueError| format!("field `{name}`: {invalid}"))
            .or(reason);
    }
    (reason, bytes)
}

/// About what the value costs in an engine's encoding.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 9,
        Value::Text(text) => text.len() + 5,
        Value::Bytes(bytes) => bytes.len() + 5,
        Value::List(items) => items.iter().map(value_bytes).sum::<usize>() + 5,
        Value::Map(entries) => {
            entries
                .iter()
                .map(|(key, value)| key.len() + 5 + value_bytes(value))
                .sum::<usize>()
                + 5
        }
    }
}

fn apply(replica: &mut Replica, operation: &Operation, context: WriteContext) {
    let (model, collection) = (operation.model, operation.model.collection());
    let mut state = match replica.state(collection, &operation.id) {
        Some(state) => DocumentState::clone(state),
        None => DocumentState::default(),
    };
    let flavor = replica.flavor;
    let physical = if flavor == Flavor::Ditto {
        context.physical
    } else {
        0
    };
    let stamps = &mut Stamps {
        clock: &mut replica.clock,
        physical,
        writer: replica.writer,
    };
    match (&operation.action, flavor) {
        (Action::Insert(document), Flavor::Ditto) => state.insert_over_tombstone(document, model, stamps),
        (Action::Insert(document), Flavor::Mesh) => state.insert_by_keys(document, model, stamps),
        (Action::Patch { set, increments }, _) => state.patch(set, increments, model, stamps),
        (Action::Delete, Flavor::Ditto) => state.entomb(stamps),
        (Action::Delete, Flavor::Mesh) => state.mark_deleted(stamps),
        (Action::Seed(document), Flavor::Ditto) => state.seed_at_floor(document, model, stamps),
        (Action::Seed(document), Flavor::Mesh) => state.seed_by_keys(document, model, stamps),
    }
    if replica.witnessing
        && let Some(before) = replica.state(collection, &operation.id)
    {
        state.note_context(before);
    }
    let hash = hash_after(operation, &state);
    replica.versions.count(replica.writer);
    replica.operations += 1;
    replica.put(
        collection,
        &operation.id,
        Arc::new(state),
        Mark {
            origin: None,
            silent: context.silent,
            hash,
        },
    );
}

/// The hash of the document that an operation leaves. An insert leaves what was sent; what a patch leaves depends on what it met. Of a seed nothing is said: what was written before may hide it.
fn hash_after(operation: &Operation, state: &DocumentState) -> Option<ContentHash> {
    match operation.action {
        Action::Insert(_) => operation.record.sent.filter(|_| !any_off()),
        Action::Patch { .. } => state.hash(operation.model),
        Action::Delete | Action::Seed(_) => None,
    }
}
