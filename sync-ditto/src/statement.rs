//! The statements that the engine is given: text with quoted names, and arguments. [`Statement`].
//!
//! Values never stand in a text. Array statements cost a fraction of one statement a document, so all of these take many. Plain functions; what is
//! sent when is decided in `engine`.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    query::{Query, QueryError},
    value::Value,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    id_class::in_lists,
    limits::{STATEMENT_BYTES, STATEMENT_DOCUMENTS, STATEMENT_IDS, STATEMENT_INCREMENTS},
    refusal::{is_counter, value_bytes},
    wire::{Outgoing, OutgoingDocument, OutgoingId},
};

/// One DQL statement.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) text: String,
    pub(crate) arguments: Arguments<'a>,
}

/// The values of a statement's placeholders, by name without the colon.
#[derive(Debug, Default)]
pub(crate) struct Arguments<'a>(Vec<(Cow<'static, str>, Argument<'a>)>);

#[derive(Debug)]
enum Argument<'a> {
    Value(Cow<'a, Value>),
    Integer(i64),
    Id(&'a DocumentId),
    Ids(Vec<&'a DocumentId>),
    Documents(Vec<OutgoingDocument<'a>>),
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, argument) in &self.0 {
            map.serialize_entry(name, argument)?;
        }
        map.end()
    }
}

impl Serialize for Argument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => Outgoing(value).serialize(serializer),
            Self::Integer(integer) => serializer.serialize_i64(*integer),
            Self::Id(id) => OutgoingId(id).serialize(serializer),
            Self::Ids(ids) => serializer.collect_seq(ids.iter().map(|id| OutgoingId(id))),
            Self::Documents(documents) => serializer.collect_seq(documents),
        }
    }
}

impl Arguments<'_> {
    fn one<'a>(name: &'static str, argument: Argument<'a>) -> Arguments<'a> {
        Arguments(vec![(name.into(), argument)])
    }
}

/// How documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Where there is none; others are left alone.
    Absent,
    /// Over what is there, field by field; what is equal is not written again.
    Fields,
    /// Below every real write.
    Seed,
}

/// Writes these documents, whole or sparse. Ids must be different ones.
pub(crate) fn write<'a>(
    model: &ModelDescriptor,
    documents: Vec<OutgoingDocument<'a>>,
    how: Mode,
) -> Vec<Statement<'a>> {
    chunks(documents)
        .into_iter()
        .map(|documents| {
            let (initial, conflict) = match how {
                Mode::Absent => ("", " ON ID CONFLICT DO NOTHING"),
                Mode::Fields => ("", " ON ID CONFLICT DO UPDATE_LOCAL_DIFF"),
                Mode::Seed => ("INITIAL ", ""),
            };
            let text = format!(
                "INSERT INTO {} {initial}DOCUMENTS (:docs){conflict}",
                declared(model, &documents)
            );
            Statement {
                text,
                arguments: Arguments::one("docs", Argument::Documents(documents)),
            }
        })
        .collect()
}

/// Adds these amounts to a counter, each to its own document.
pub(crate) fn increment<'a>(
    collection: &str,
    counter: &str,
    amounts: &[(&'a DocumentId, i64)],
) -> Vec<Statement<'a>> {
    by_case(collection, counter, "INCREMENT BY", amounts)
}

/// Starts new epochs of a counter at these values.
pub(crate) fn restart<'a>(
    collection: &str,
    counter: &str,
    values: &[(&'a DocumentId, i64)],
) -> Vec<Statement<'a>> {
    by_case(collection, counter, "RESTART WITH", values)
}

/// Removes a field.
pub(crate) fn unset<'a>(collection: &str, field: &str, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    let text = format!("UPDATE {} UNSET {}", quoted(collection), quoted(field));
    of_ids(&text, ids)
}

/// Deletes these documents.
pub(crate) fn delete<'a>(collection: &str, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    of_ids(&format!("DELETE FROM {}", quoted(collection)), ids)
}

/// Removes these documents from this device only.
pub(crate) fn evict<'a>(collection: &str, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    of_ids(&format!("EVICT FROM {}", quoted(collection)), ids)
}

/// Reads these documents as everybody sees them.
pub(crate) fn select<'a>(collection: &str, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    of_ids(&format!("SELECT * FROM {}", quoted(collection)), ids)
}

/// Reads these documents with the counters of the model as counters: without the values that others wrote over them as plain numbers.
pub(crate) fn select_counted<'a>(model: &ModelDescriptor, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    let counters = model.fields().iter().filter(|field| field.is_counter());
    let declarations: BTreeMap<_, _> = counters.map(|field| (field.document_name(), COUNTER)).collect();
    let text = format!(
        "SELECT * FROM {}",
        collection_with(model.collection(), &declarations)
    );
    of_ids(&text, ids)
}

/// Reads the ids that match a query, of documents that are not husks.
///
/// # Errors
/// When a parameter has no value, or a name cannot be written.
pub(crate) fn select_ids(model: &ModelDescriptor, query: &Query) -> Result<Statement<'static>, QueryError> {
    let mut conditions: Vec<String> = anchored(model).into_iter().collect();
    let mut arguments = Arguments::default();
    if let Some(condition) = query.to_dql_where()? {
        conditions.push(condition.text);
        arguments = Arguments(
            condition
                .arguments
                .into_iter()
                .map(|(name, value)| (name.into(), Argument::Value(Cow::Owned(value))))
                .collect(),
        );
    }
    let mut text = format!("SELECT `_id` FROM {}", quoted(model.collection()));
    if !conditions.is_empty() {
        text.push_str(" WHERE ");
        text.push_str(&conditions.join(" AND "));
    }
    Ok(Statement { text, arguments })
}

/// How many documents a collection has, husks and ghosts too. An observer of it fires at every change of the collection.
pub(crate) fn count(collection: &str) -> String {
    format!("SELECT count(*) FROM {}", quoted(collection))
}

/// All documents that match a query, as observers and subscriptions take it.
///
/// # Errors
/// When a parameter has no value, or a name cannot be written.
pub(crate) fn select_all(collection: &str, query: &Query) -> Result<Statement<'static>, QueryError> {
    let dql = query.to_dql(collection)?;
    let arguments = dql
        .arguments
        .into_iter()
        .map(|(name, value)| (name.into(), Argument::Value(Cow::Owned(value))))
        .collect();
    Ok(Statement {
        text: dql.text,
        arguments: Arguments(arguments),
    })
}

/// One document of a collection of our own.
pub(crate) fn select_one<'a>(collection: &str, id: &'a DocumentId) -> Statement<'a> {
    Statement {
        text: format!("SELECT * FROM {} WHERE `_id` = :id", quoted(collection)),
        arguments: Arguments::one("id", Argument::Id(id)),
    }
}

/// Writes one document of a collection of our own.
pub(crate) fn upsert_one<'a>(collection: &str, document: OutgoingDocument<'a>) -> Statement<'a> {
    Statement {
        text: format!(
            "INSERT INTO {} DOCUMENTS (:docs) ON ID CONFLICT DO UPDATE_LOCAL_DIFF",
            quoted(collection)
        ),
        arguments: Arguments::one("docs", Argument::Documents(vec![document])),
    }
}

/// Sets one of the engine's parameters, until it is closed.
pub(crate) fn set_system(parameter: &str, value: Value) -> Statement<'static> {
    Statement {
        text: format!("ALTER SYSTEM SET {parameter} = :value"),
        arguments: Arguments::one("value", Argument::Value(Cow::Owned(value))),
    }
}

const COUNTER: &str = "COUNTER";
/// Replaced as a whole; without it a map would be merged key by key and never shrink.
const REGISTER: &str = "REGISTER";

/// The collection with a declaration of every field that needs one.
fn declared(model: &ModelDescriptor, documents: &[OutgoingDocument<'_>]) -> String {
    let mut declarations = BTreeMap::new();
    for (name, value) in documents.iter().flat_map(|document| &document.fields) {
        if matches!(value, Value::Map(_)) {
            declarations.insert(name.as_str(), REGISTER);
        } else if matches!(value, Value::Int(_)) && is_counter(model, name) {
            declarations.insert(name.as_str(), COUNTER);
        }
    }
    collection_with(model.collection(), &declarations)
}

fn collection_with(collection: &str, declarations: &BTreeMap<&str, &str>) -> String {
    if declarations.is_empty() {
        return quoted(collection);
    }
    let declarations: Vec<_> = declarations
        .iter()
        .map(|(name, kind)| format!("{} {kind}", quoted(name)))
        .collect();
    format!("COLLECTION {} ({})", quoted(collection), declarations.join(", "))
}

/// Neither missing nor null. `IS NOT NULL` alone holds for a missing field, `IS NOT MISSING` alone for null.
fn anchored(model: &ModelDescriptor) -> Option<String> {
    let anchor = quoted(model.anchor()?);
    Some(format!("({anchor} IS NOT MISSING AND {anchor} IS NOT NULL)"))
}

fn of_ids<'a>(text: &str, ids: &[&'a DocumentId]) -> Vec<Statement<'a>> {
    in_lists(ids.iter().copied(), STATEMENT_IDS)
        .into_iter()
        .map(|ids| Statement {
            text: format!("{text} WHERE `_id` IN :ids"),
            arguments: Arguments::one("ids", Argument::Ids(ids)),
        })
        .collect()
}

/// `CASE` costs the same whatever the amounts; a statement for each amount does not. The `ELSE` is demanded by the engine and never met.
fn by_case<'a>(
    collection: &str,
    counter: &str,
    verb: &str,
    amounts: &[(&'a DocumentId, i64)],
) -> Vec<Statement<'a>> {
    let amount_of: BTreeMap<&DocumentId, i64> = amounts.iter().copied().collect();
    let lists = in_lists(amounts.iter().map(|(id, _)| *id), STATEMENT_INCREMENTS);
    let statement = |ids: Vec<&'a DocumentId>| {
        let mut text = format!(
            "UPDATE {} APPLY {} {verb} CASE `_id`",
            quoted(collection),
            quoted(counter)
        );
        let mut arguments = Vec::with_capacity(2 * ids.len() + 1);
        for (at, id) in ids.iter().enumerate() {
            write!(text, " WHEN :i{at} THEN :v{at}").expect("a string takes all text");
            arguments.push((format!("i{at}").into(), Argument::Id(id)));
            arguments.push((format!("v{at}").into(), Argument::Integer(amount_of[id])));
        }
        text.push_str(" ELSE 0 END WHERE `_id` IN :ids");
        arguments.push(("ids".into(), Argument::Ids(ids)));
        Statement {
            text,
            arguments: Arguments(arguments),
        }
    };
    lists.into_iter().map(statement).collect()
}

fn chunks(documents: Vec<OutgoingDocument<'_>>) -> Vec<Vec<OutgoingDocument<'_>>> {
    let mut chunks = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for document in documents {
        let fields = document.fields.iter();
        let more: usize = fields.map(|(name, value)| name.len() + value_bytes(value)).sum();
        if chunk.len() == STATEMENT_DOCUMENTS || (bytes + more > STATEMENT_BYTES && !chunk.is_empty()) {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        bytes += more;
        chunk.push(document);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

/// A name between backticks, which take anything.
fn quoted(name: &str) -> String {
    debug_assert!(!name.contains('\0'), "refused before a statement is made");
    format!("`{}`", name.replace('`', "``"))
}
