//! How a Rust type becomes a document value and a column, and comes back: [`DittoField`].
//!
//! One conversion serves both the user's struct and the engine's row path, so they cannot disagree.

#[cfg(feature = "chrono")]
mod chrono;
pub(crate) mod conversion;
#[cfg(feature = "rust_decimal")]
mod decimal;
#[cfg(any(feature = "chrono", feature = "time"))]
mod iso;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
pub(crate) mod json_text;
mod std_types;
#[cfg(feature = "time")]
mod time;
#[cfg(feature = "uuid")]
mod uuid;

use crate::{
    column::ColumnValue,
    value::{Value, ValueError},
};

/// The kind of document value a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// `true` or `false`.
    Bool,
    /// An integer.
    Int,
    /// A float.
    Float,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A list or a map, written as a whole.
    Json,
    /// Anything.
    Any,
}

/// The storage class in which a field's column values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// TEXT.
    Text,
    /// INTEGER.
    Integer,
    /// REAL.
    Real,
    /// BLOB.
    Blob,
    /// Whatever the value is.
    Any,
}

impl Storage {
    /// Whether `column` is of this class (or NULL, where that is allowed).
    #[must_use]
    pub fn admits(self, column: &ColumnValue, nullable: bool) -> bool {
        match column {
            ColumnValue::Null => nullable,
            ColumnValue::Integer(_) => matches!(self, Self::Integer | Self::Any),
            ColumnValue::Real(_) => matches!(self, Self::Real | Self::Any),
            ColumnValue::Text(_) => matches!(self, Self::Text | Self::Any),
            ColumnValue::Blob(_) => matches!(self, Self::Blob | Self::Any),
        }
    }

    /// The column type `create_missing_tables` declares for it.
    #[must_use]
    pub fn sql_type(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Blob => "BLOB",
            Self::Any => "",
        }
    }
}

/// A type that a mapped field can have.
///
/// Implemented for bool, the integers up to `i64`, `f32`, `f64`, `String`, `Option<T>`, `Vec<u8>`, [`Value`] and, by feature, the types
/// of uuid, chrono, time, rust_decimal and serde_json. `#[derive(DittoField)]` implements it for newtypes and unit enums.
///
/// Laws, tested for every implementation: `from_value(to_value(x)) == x`, `from_column(to_column(x)) == x`, and a decode never invents a
/// value: what the type cannot hold is an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a `DittoAdapter`",
    label = "the derive does not know how to store this type",
    note = "write `#[derive(DittoField)]` on a newtype or unit enum, `#[ditto(json)]` for a type that serde reads and writes, \
            `#[ditto(with = module)]` for a conversion of your own, or `#[ditto(skip)]` to leave the field out"
)]
pub trait DittoField: Sized {
    /// The kind of its document values.
    const KIND: FieldKind;
    /// The class in which sqlx writes the type.
    const STORAGE: Storage;
    /// Whether NULL is one of its values.
    const NULLABLE: bool = false;
    /// Whether each column value of class [`STORAGE`](Self::STORAGE) is what [`to_column`](Self::to_column) would write: then no conversion is
    /// needed to compare it.
    const CANONICAL: bool = false;
    /// Whether its text never looks like a number, so that a column of NUMERIC affinity (`DATETIME`, say) keeps it as it is
    /// (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
    const NEVER_NUMERIC: bool = false;
    /// Whether a value of the type's [`KIND`](Self::KIND), which is text, an integer or a float, is the same in document and column, whatever it is, where the column is of the type's own
    /// class: then no conversion is asked, and texts are moved and not copied.
    #[doc(hidden)]
    const AS_IT_IS: bool = false;

    /// To a document value.
    fn to_value(&self) -> Value;

    /// From a document value.
    ///
    /// # Errors
    /// When the value is not one of this type.
    fn from_value(value: &Value) -> Result<Self, FieldError>;

    /// To a column of class `storage` (which the table dictates; the type's own is [`STORAGE`](Self::STORAGE)).
    fn to_column(&self, storage: Storage) -> ColumnValue;

    /// From a column of any class in which the type may be stored.
    ///
    /// # Errors
    /// When the column does not hold one of this type.
    fn from_column(column: &ColumnValue) -> Result<Self, FieldError>;
}

/// Why a field cannot be converted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Another kind of value than the field's.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// What the field holds.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// The right kind, but not a value of the type.
    #[error("expected {expected}, found `{found}`")]
    Content {
        /// What the field holds.
        expected: &'static str,
        /// What was found, shortened.
        found: String,
    },
    /// Missing, without a default, and not nullable.
    #[error("is missing, and declares no default")]
    Missing,
    /// A value that no store takes.
    #[error(transparent)]
    Value(ValueError),
}

impl FieldError {
    /// A value of the wrong kind.
    #[must_use]
    pub fn value_kind(expected: &'static str, found: &Value) -> Self {
        Self::Kind {
            expected,
            found: found.kind_name(),
        }
    }

    /// A column of the wrong class.
    #[must_use]
    pub fn column_class(expected: &'static str, found: &ColumnValue) -> Self {
        Self::Kind {
            expected,
            found: found.class_name(),
        }
    }

    /// The right kind, but not a value of the type. Long content is shortened.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers have values and references alike"
    )]
    pub fn content(expected: &'static str, found: impl ToString) -> Self {
        const SHOWN_CHARS: usize = 60;
        let mut found = found.to_string();
        if let Some((cut, _)) = found.char_indices().nth(SHOWN_CHARS) {
            found.truncate(cut);
            found.push('…');
        }
        Self::Content { expected, found }
    }
}
