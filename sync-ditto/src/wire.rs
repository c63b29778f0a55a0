//! How values, documents and ids travel to the engine and back: as CBOR, through serde.
//!
//! Bytes travel as bytes, integers and floats stay apart. Not here: what may travel at all (`refusal`).

use std::{collections::BTreeMap, fmt};

use ditto_sync_core::{
    document::{Document, FieldName},
    id::DocumentId,
    value::Value,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};

/// The field in which the engine keeps the id. Not a field of our documents: their id travels beside them.
pub(crate) const ID_FIELD: &str = "_id";

/// A value on its way to the engine.
pub(crate) struct Outgoing<'a>(pub(crate) &'a Value);

impl Serialize for Outgoing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(integer) => serializer.serialize_i64(*integer),
            Value::Float(float) => serializer.serialize_f64(*float),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) => serializer.collect_seq(items.iter().map(Outgoing)),
            Value::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, Outgoing(value))))
            }
        }
    }
}

/// A whole or sparse document on its way to the engine.
#[derive(Debug)]
pub(crate) struct OutgoingDocument<'a> {
    pub(crate) id: &'a DocumentId,
    pub(crate) fields: Vec<(&'a FieldName, &'a Value)>,
}

impl Serialize for OutgoingDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len() + 1))?;
        map.serialize_entry(ID_FIELD, &OutgoingId(self.id))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name.as_str(), &Outgoing(value))?;
        }
        map.end()
    }
}

/// An id on its way to the engine: text, an integer, or an array of those.
pub(crate) struct OutgoingId<'a>(pub(crate) &'a DocumentId);

impl Serialize for OutgoingId<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Outgoing(&self.0.to_value()).serialize(serializer)
    }
}

/// A value as it came from the engine.
#[derive(Debug, PartialEq)]
pub(crate) struct Incoming(pub(crate) Value);

impl<'de> Deserialize<'de> for Incoming {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

/// A document as it came from the engine. Its id is `None` where it is one that no row can have.
#[derive(Debug, PartialEq)]
pub(crate) struct IncomingDocument {
    pub(crate) id: Option<DocumentId>,
    pub(crate) document: Document,
}

impl<'de> Deserialize<'de> for IncomingDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

/// The id that an `_id` is, if any row can have it.
pub(crate) fn id_of(value: Value) -> Option<DocumentId> {
    match value {
        // A list of one part would be taken for that part.
        Value::List(parts) if parts.len() > 1 => DocumentId::from_values(parts).ok(),
        Value::List(_) => None,
        one => DocumentId::from_values(vec![one]).ok(),
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = IncomingDocument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IncomingDocument, A::Error> {
        let mut document = Document::with_capacity(map.size_hint().unwrap_or(0).min(1024));
        let mut id = None;
        while let Some((name, Incoming(value))) = map.next_entry::<FieldName, Incoming>()? {
            if name == ID_FIELD {
                id = id_of(value);
            } else {
                document.set(name, value);
            }
        }
        Ok(IncomingDocument { id, document })
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a document")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Int(integer))
    }

    /// Ditto's integers reach to `u64::MAX`. What is beyond ours comes as the nearest float: an integer field then refuses it by name.
    fn visit_u64<E: Error>(self, integer: u64) -> Result<Value, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a document of another program; see above"
        )]
        Ok(i64::try_from(integer).map_or(Value::Float(integer as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        Ok(Value::Float(float))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_owned()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Incoming(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, Incoming(value))) = entries.next_entry::<String, Incoming>()? {
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}
