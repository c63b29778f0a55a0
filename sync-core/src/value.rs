//! What a document field can hold: [`Value`].
//!
//! Not here: how a column holds it (`column`), how a Rust type becomes one (`field`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Deepest nesting of lists and maps that a document may have. Engines refuse deeper ones (Ditto at 127).
pub const MAX_DEPTH: usize = 64;

/// A value of a document field.
///
/// Integers and floats are distinct (`1` is not `1.0`), as in every store we know. Two values are equal when they
/// are of the same kind and hold the same; `-0.0` equals `0.0` and NaN equals NaN, so that equality is an equivalence.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Value {
    /// Present, and nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A 64-bit signed integer, exact.
    Int(i64),
    /// A 64-bit float. Stores refuse NaN and the infinities.
    Float(f64),
    /// Text in UTF-8, compared by bytes.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list; replaced as a whole by a write.
    List(Vec<Value>),
    /// A map; replaced as a whole by a write.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// The kind, for messages: `null`, `a bool`, `an integer` and so on.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Whether this is [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Checks what every store demands: finite floats, at most [`MAX_DEPTH`] levels.
    ///
    /// # Errors
    /// Names the first thing wrong.
    pub fn validate(&self) -> Result<(), ValueError> {
        self.validate_below(0)
    }

    fn validate_below(&self, depth: usize) -> Result<(), ValueError> {
        if depth > MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        match self {
            Self::Float(float) if !float.is_finite() => Err(ValueError::NotFinite(*float)),
            Self::List(items) => items.iter().try_for_each(|item| item.validate_below(depth + 1)),
            Self::Map(entries) => entries
                .values()
                .try_for_each(|item| item.validate_below(depth + 1)),
            _ => Ok(()),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// Why a value cannot be stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// NaN or an infinity.
    #[error("a float must be finite, found {0}")]
    NotFinite(f64),
    /// More than [`MAX_DEPTH`] levels of lists and maps.
    #[error("lists and maps are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

value_from!(bool => Bool, i64 => Int, i32 => Int, f64 => Float, &str => Text, String => Text, Vec<u8> => Bytes,
    Vec<Value> => List, BTreeMap<String, Value> => Map);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
