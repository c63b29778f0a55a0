//! What a table column holds, exactly as the database holds it: [`ColumnValue`], and a row of them: [`Image`].
//!
//! Not here: what a document holds (`value`), and how the two become each other (`field`).

use std::{ops::Index, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A column's value in one of SQLite's five storage classes (<https://sqlite.org/datatype3.html>).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum ColumnValue {
    /// NULL.
    #[default]
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

impl ColumnValue {
    /// The storage class, for messages.
    #[must_use]
    pub fn class_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "an integer",
            Self::Real(_) => "a real",
            Self::Text(_) => "text",
            Self::Blob(_) => "a blob",
        }
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Same storage class and same content. `-0.0` equals `0.0`: SQLite itself does not tell them apart in comparisons.
impl PartialEq for ColumnValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for ColumnValue {}

/// The mapped columns of one row, without the id columns, in the order of
/// [`ModelDescriptor::fields`](crate::descriptor::ModelDescriptor::fields). Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image(Arc<Vec<ColumnValue>>);

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct("Image", &*self.0)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

impl Image {
    /// An image of these columns.
    #[must_use]
    pub fn new(columns: Vec<ColumnValue>) -> Self {
        Self(Arc::new(columns))
    }

    /// The columns, in the order of the descriptor's fields.
    #[must_use]
    pub fn columns(&self) -> &[ColumnValue] {
        &self.0
    }

    /// The columns, to change.
    pub fn columns_mut(&mut self) -> &mut [ColumnValue] {
        let columns: &mut Vec<_> = Arc::make_mut(&mut self.0);
        columns
    }

    /// One column, out of an image that nobody needs any more: copied only where clones share it.
    pub(crate) fn take(&mut self, at: usize) -> ColumnValue {
        match Arc::get_mut(&mut self.0) {
            Some(columns) => std::mem::take(&mut columns[at]),
            None => self.0[at].clone(),
        }
    }

    /// The columns, owned.
    #[must_use]
    pub fn into_columns(self) -> Vec<ColumnValue> {
        Arc::unwrap_or_clone(self.0)
    }
}

impl Index<usize> for Image {
    type Output = ColumnValue;

    fn index(&self, index: usize) -> &ColumnValue {
        &self.0[index]
    }
}
