//! Document ids: text, integer or composite; validated and bounded.
//!
//! Not here: which columns make up an id (`descriptor`).

mod list;

use std::fmt;

pub use list::{IdList, IntoIter, Iter};
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;

use crate::value::Value;

/// Longest id in bytes of text, all parts together. Ditto refuses more than 254 and Loro wants a bound (`DESIGN`, limits).
pub const MAX_ID_BYTES: usize = 240;
/// Most parts of a composite id.
pub const MAX_ID_PARTS: usize = 8;

/// The identity of a document within its collection; made from the id columns of its row.
///
/// Always valid: the constructors check it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "Vec<IdPart>")]
pub struct DocumentId(Parts);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Parts {
    One(IdPart),
    Many(Box<[IdPart]>),
}

/// One part of an id: the value of one id column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum IdPart {
    /// An integer key.
    Integer(i64),
    /// A text key; never empty.
    Text(SmolStr),
}

impl Serialize for DocumentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl DocumentId {
    /// A text id.
    ///
    /// # Errors
    /// When the text is empty or longer than [`MAX_ID_BYTES`].
    pub fn text(text: impl Into<SmolStr>) -> Result<Self, IdError> {
        let text = text.into();
        match text.len() {
            0 => Err(IdError::Empty),
            bytes if bytes > MAX_ID_BYTES => Err(IdError::TooLong(bytes)),
            _ => Ok(Self(Parts::One(IdPart::Text(text)))),
        }
    }

    /// An integer id.
    #[must_use]
    pub fn integer(integer: i64) -> Self {
        Self(Parts::One(IdPart::Integer(integer)))
    }

    /// An id of one or several parts.
    ///
    /// # Errors
    /// When there is no part, too many of them, an empty text, or more than [`MAX_ID_BYTES`] of text.
    pub fn from_parts(mut parts: Vec<IdPart>) -> Result<Self, IdError> {
        if parts.is_empty() || parts.len() > MAX_ID_PARTS {
            return Err(IdError::Parts(parts.len()));
        }
        let mut bytes = 0;
        for part in &parts {
            match part {
                IdPart::Text(text) if text.is_empty() => return Err(IdError::Empty),
                IdPart::Text(text) => bytes += text.len(),
                IdPart::Integer(_) => bytes += size_of::<i64>(),
            }
        }
        if bytes > MAX_ID_BYTES {
            return Err(IdError::TooLong(bytes));
        }
        Ok(Self(if parts.len() == 1 {
            Parts::One(parts.remove(0))
        } else {
            Parts::Many(parts.into())
        }))
    }

    /// An id from the document values of its id fields, in their declared order.
    ///
    /// # Errors
    /// When a value is neither text nor an integer, or the id is out of bounds.
    pub fn from_values(values: Vec<Value>) -> Result<Self, IdError> {
        let parts = values
            .into_iter()
            .map(IdPart::try_from)
            .collect::<Result<_, _>>()?;
        Self::from_parts(parts)
    }

    /// The parts, in the order of the id fields.
    #[must_use]
    pub fn parts(&self) -> &[IdPart] {
        match &self.0 {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }

    /// What sorts as ids do, as far as their beginnings differ: to sort many of them without looking at each text again and again.
    pub(crate) fn beginning(&self) -> u128 {
        match self.parts().first() {
            None => 0,
            // Integers before texts, negative ones first.
            Some(IdPart::Integer(integer)) => u128::from(integer.cast_unsigned() ^ (1 << 63)),
            Some(IdPart::Text(text)) => {
                let mut bytes = [0; 16];
                let length = text.len().min(15);
                bytes[1..=length].copy_from_slice(&text.as_bytes()[..length]);
                bytes[0] = 1;
                u128::from_be_bytes(bytes)
            }
        }
    }

    /// The id as a document value: text, an integer, or a list of those. This is what the anchor field holds.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.0 {
            Parts::One(part) => part.to_value(),
            Parts::Many(parts) => Value::List(parts.iter().map(IdPart::to_value).collect()),
        }
    }
}

impl IdPart {
    /// The part as a document value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Integer(integer) => Value::Int(*integer),
            Self::Text(text) => Value::Text(text.to_string()),
        }
    }
}

impl TryFrom<Value> for IdPart {
    type Error = IdError;

    fn try_from(value: Value) -> Result<Self, IdError> {
        match value {
            Value::Int(integer) => Ok(Self::Integer(integer)),
            Value::Text(text) => Ok(Self::Text(text.into())),
            other => Err(IdError::Kind(other.kind_name())),
        }
    }
}

impl TryFrom<Vec<IdPart>> for DocumentId {
    type Error = IdError;

    fn try_from(parts: Vec<IdPart>) -> Result<Self, IdError> {
        Self::from_parts(parts)
    }
}

impl From<DocumentId> for Vec<IdPart> {
    fn from(id: DocumentId) -> Self {
        match id.0 {
            Parts::One(part) => vec![part],
            Parts::Many(parts) => parts.into_vec(),
        }
    }
}

/// For people and logs: parts joined by `/`. Not injective; never parse it.
impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts().iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            match part {
                IdPart::Integer(integer) => write!(f, "{integer}")?,
                IdPart::Text(text) => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

/// Why something cannot be a document id. Always permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// A text part is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The id is longer than [`MAX_ID_BYTES`].
    #[error("an id has at most {MAX_ID_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// No part or more than [`MAX_ID_PARTS`].
    #[error("an id has 1 to {MAX_ID_PARTS} parts, found {0}")]
    Parts(usize),
    /// Neither text nor an integer.
    #[error("an id is text or an integer, found {0}")]
    Kind(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_sort_as_the_ids_do() {
        let texts = [
            "a",
            "a\0",
            "ab",
            "b",
            "ž",
            "01234567-89ab-cdef",
            "01234567-89ab-cdeg",
        ];
        let texts = texts.map(|text| DocumentId::text(text).expect("an id"));
        let integers = [i64::MIN, -1, 0, 1, i64::MAX].map(DocumentId::integer);
        let mut ids: Vec<_> = integers.into_iter().chain(texts).collect();
        ids.sort();
        assert!(ids.is_sorted_by_key(DocumentId::beginning));
    }
}
