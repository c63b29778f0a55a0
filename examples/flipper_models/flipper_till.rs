//! A till that runs the Dart app: [`FlipperTill`] writes documents as its generated adapters do, and reads them as they do.
//!
//! It is a stand-in on the memory store. Not here: our side, which sees documents only through the store.

use std::{collections::BTreeMap, error::Error};

use chrono::{DateTime, NaiveDateTime};
use ditto_sync::{
    DittoField as _, Document, DocumentId, DocumentStore as _, FieldKind, ModelDescriptor, Value,
};
use ditto_sync_core::{
    hash::ContentHash,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::WriteOutcome,
};
use ditto_sync_testkit::MemoryStore;
use serde_json::Value as Json;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A till that runs the Dart app.
pub(crate) struct FlipperTill {
    store: MemoryStore,
    writes: u64,
}

impl FlipperTill {
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self { store, writes: 0 }
    }

    /// Writes every field of the document, as an `INSERT .. ON ID CONFLICT DO UPDATE` does.
    pub(crate) async fn upsert(&mut self, model: &'static ModelDescriptor, json: &Json) -> Outcome<()> {
        let (id, document) = document(json)?;
        let current = self.store.fetch(model, std::slice::from_ref(&id)).await?;
        let action = match &current[0] {
            None => Action::Insert(document),
            Some(_) => Action::Patch {
                set: document.into_iter().filter(|(name, _)| name != "id").collect(),
                increments: Vec::new(),
            },
        };
        self.write(model, id, current[0].as_ref(), action).await
    }

    /// Adds to a counter, as `APPLY .. INCREMENT BY` does.
    pub(crate) async fn increment(
        &mut self,
        model: &'static ModelDescriptor,
        id: &str,
        field: &str,
        by: i64,
    ) -> Outcome<()> {
        let id = DocumentId::text(id)?;
        let current = self.store.fetch(model, std::slice::from_ref(&id)).await?;
        let action = Action::Patch {
            set: Vec::new(),
            increments: vec![(field.into(), by)],
        };
        self.write(model, id, current[0].as_ref(), action).await
    }

    /// The document as JSON, with its `_id`.
    pub(crate) async fn read(&self, model: &'static ModelDescriptor, id: &str) -> Outcome<Option<Json>> {
        let id = DocumentId::text(id)?;
        let mut documents = self.store.fetch(model, std::slice::from_ref(&id)).await?;
        documents
            .remove(0)
            .map(|document| json(&id, document))
            .transpose()
    }

    async fn write(
        &mut self,
        model: &'static ModelDescriptor,
        id: DocumentId,
        current: Option<&Document>,
        action: Action,
    ) -> Outcome<()> {
        self.writes += 1;
        let expect = match (current, model.hash_of(current)) {
            (_, Ok(hash)) => hash.map_or(Expect::Absent, Expect::Hash),
            (Some(unreadable), Err(_)) => Expect::Unreadable(ContentHash::of_document(unreadable)),
            (None, Err(error)) => return Err(error.into()),
        };
        let operation = Operation {
            model,
            id,
            expect,
            action,
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        };
        let batch = BatchId {
            replica: ReplicaId::from_bytes([7; 16]),
            sequence: self.writes,
        };
        let intent = Intent {
            batch,
            operations: vec![operation],
        };
        match self.store.write(&intent).await? {
            WriteOutcome::Applied => Ok(()),
            WriteOutcome::Stale(_) => Err("the document changed meanwhile".into()),
        }
    }
}

/// A document of the app. Its `_id` (or else its `id`) is the id in the store, and no field there.
pub(crate) fn document(json: &Json) -> Outcome<(DocumentId, Document)> {
    let Json::Object(entries) = json else {
        return Err("a document is an object".into());
    };
    let key = entries.get("_id").or_else(|| entries.get("id"));
    let id = DocumentId::text(key.and_then(Json::as_str).ok_or("a document has an `_id`")?)?;
    let fields = entries.iter().filter(|(name, _)| *name != "_id");
    Ok((
        id,
        fields
            .map(|(name, value)| (name.as_str(), value.to_value()))
            .collect(),
    ))
}

/// The document with its `_id`, as Ditto shows it.
pub(crate) fn json(id: &DocumentId, document: Document) -> Outcome<Json> {
    let fields: BTreeMap<String, Value> = document
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect();
    let mut json = Json::from_value(&fields.into())?;
    json["_id"] = Json::from_value(&id.to_value())?;
    Ok(json)
}

/// What the app's `fromDittoDocument` would stumble over: it casts what it finds, so an int where Dart declares a `double` is an error there.
///
/// # Errors
/// Names the field.
pub(crate) fn dart_reads(model: &ModelDescriptor, json: &Json) -> Result<(), String> {
    for name in ["_id", "id"] {
        if !json[name].is_string() {
            return Err(format!("`{name}` is {}", json[name]));
        }
    }
    for field in model.fields() {
        let name = field.document_name();
        let found = &json[name];
        let fits = match field.kind() {
            _ if found.is_null() => field.is_nullable(),
            FieldKind::Bool => found.is_boolean(),
            FieldKind::Int => found.is_i64(),
            FieldKind::Float => found.is_f64(),
            FieldKind::Text if field.is_never_numeric() => found.as_str().is_some_and(dart_parses),
            FieldKind::Text => found.is_string(),
            _ => true,
        };
        if !fits {
            return Err(format!("`{name}` is {found}"));
        }
    }
    Ok(())
}

/// Whether `DateTime.tryParse` takes the text: of the many forms it knows, those with a full date and time.
fn dart_parses(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || text.parse::<NaiveDateTime>().is_ok()
}
