//! A document: named values in a collection of the store.
//!
//! Not here: its id (`id`), which travels beside it, and its hash (`hash`).

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::value::Value;

/// The name of a document field. Cheap to clone; names of up to 23 bytes need no heap.
pub type FieldName = SmolStr;

/// A document: field names and values, sorted by name.
///
/// A field that is missing and a field that is [`Value::Null`] are different documents, but a mapped column reads both as NULL
/// unless its field declares a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Unsorted")]
pub struct Document {
    fields: Vec<(FieldName, Value)>,
}

/// A document as it comes from bytes, which may have been written by anyone.
#[derive(Deserialize)]
struct Unsorted {
    fields: Vec<(FieldName, Value)>,
}

impl From<Unsorted> for Document {
    fn from(unsorted: Unsorted) -> Self {
        unsorted.fields.into_iter().collect()
    }
}

impl Document {
    /// A document without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty document with room for `capacity` fields.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            fields: Vec::with_capacity(capacity),
        }
    }

    /// The value of a field, if the document has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().map(|at| &self.fields[at].1)
    }

    /// The same for a field that is probably the one at this place, where it is found without a search.
    pub(crate) fn get_near(&self, place: usize, name: &str) -> Option<&Value> {
        match self.fields.get(place) {
            Some((found, value)) if found.as_str() == name => Some(value),
            _ => self.get(name),
        }
    }

    /// Sets a field; returns the value it had.
    pub fn set(&mut self, name: impl Into<FieldName>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        if self.fields.last().is_none_or(|(last, _)| *last < name) {
            self.fields.push((name, value));
            return None;
        }
        match self.position(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.fields[at].1, value)),
            Err(at) => {
                self.fields.insert(at, (name, value));
                None
            }
        }
    }

    /// Removes a field; returns the value it had.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).ok().map(|at| self.fields.remove(at).1)
    }

    /// All fields, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FieldName, &Value)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// The same, to be changed in place.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.fields.iter_mut().map(|(name, value)| (name.as_str(), value))
    }

    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.fields
            .binary_search_by(|(probe, _)| probe.as_str().cmp(name))
    }
}

impl<N: Into<FieldName>, V: Into<Value>> FromIterator<(N, V)> for Document {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut document = Self::new();
        for (name, value) in fields {
            document.set(name, value);
        }
        document
    }
}

impl IntoIterator for Document {
    type Item = (FieldName, Value);
    type IntoIter = std::vec::IntoIter<(FieldName, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}
