//! One mapped field: [`FieldDescriptor`].
//!
//! Not here: the conversions of each type (`field`).

use super::RowError;
use crate::{
    column::ColumnValue,
    field::{
        DittoField, FieldError, FieldKind, Storage,
        conversion::{Conversion, OfType},
    },
    value::Value,
};

type ToValue = fn(&ColumnValue) -> Result<Value, FieldError>;
type ToColumn = fn(&Value, Storage) -> Result<ColumnValue, FieldError>;

/// One mapped field: its three names, its kind and its two conversions.
#[derive(Debug, Clone, Copy)]
pub struct FieldDescriptor {
    name: &'static str,
    document: &'static str,
    column: &'static str,
    kind: FieldKind,
    storage: Storage,
    nullable: bool,
    counter: bool,
    volatile: bool,
    /// Whether every column value of the right class is already canonical, so that no conversion is needed to hash it.
    canonical: bool,
    never_numeric: bool,
    as_it_is: bool,
    default: Option<fn() -> Value>,
    to_value: ToValue,
    to_column: ToColumn,
}

impl FieldDescriptor {
    /// A field of Rust type `T`: its name in the struct, in the document and in the table.
    #[must_use]
    pub const fn of<T: DittoField>(name: &'static str, document: &'static str, column: &'static str) -> Self {
        Self::converted::<OfType<T>>(name, document, column)
    }

    /// A field with this conversion.
    pub(crate) const fn converted<C: Conversion>(
        name: &'static str,
        document: &'static str,
        column: &'static str,
    ) -> Self {
        Self {
            name,
            document,
            column,
            kind: C::KIND,
            storage: C::STORAGE,
            nullable: C::NULLABLE,
            counter: false,
            volatile: false,
            canonical: C::CANONICAL,
            never_numeric: C::NEVER_NUMERIC,
            as_it_is: C::AS_IT_IS,
            default: None,
            to_value: C::to_value,
            to_column: C::to_column,
        }
    }

    /// Another storage class than the type's own.
    #[must_use]
    pub const fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Marks the field as a counter: local changes are sent as increments.
    #[must_use]
    pub const fn counter(mut self) -> Self {
        self.counter = true;
        self
    }

    /// Excludes the field from change detection.
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// The value that stands for a missing document field.
    #[must_use]
    pub const fn default_value(mut self, default: fn() -> Value) -> Self {
        self.default = Some(default);
        self
    }

    /// The field's name in the Rust struct, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The field's name in documents.
    #[must_use]
    pub const fn document_name(&self) -> &'static str {
        self.document
    }

    /// The column's name in the table.
    #[must_use]
    pub fn column(&self) -> &'static str {
        self.column
    }

    /// What kind of document value it holds.
    #[must_use]
    pub const fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The storage class its column values are written in.
    #[must_use]
    pub fn storage_class(&self) -> Storage {
        self.storage
    }

    /// Whether NULL is a value of the field.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Whether it is a counter.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.counter
    }

    /// Whether a column of NUMERIC affinity keeps its text as it is.
    #[must_use]
    pub fn is_never_numeric(&self) -> bool {
        self.never_numeric
    }

    /// Whether it is excluded from change detection.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Whether every column value of the right class is already canonical: then columns sort as the document values do.
    pub(crate) fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// Whether a text is the same in document and column.
    pub(crate) fn keeps_text(&self) -> bool {
        self.as_it_is && matches!(self.kind, FieldKind::Text)
    }

    /// Whether this document value is the column's too, as it is.
    pub(crate) fn keeps(&self, value: &Value) -> bool {
        let as_number = self.as_it_is && !matches!(self.storage, Storage::Text);
        match value {
            Value::Text(_) => self.keeps_text(),
            Value::Int(_) => as_number && matches!(self.kind, FieldKind::Int),
            Value::Float(float) => as_number && matches!(self.kind, FieldKind::Float) && float.is_finite(),
            Value::Null => self.as_it_is && self.nullable,
            Value::Bool(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => false,
        }
    }

    /// Column to document value.
    ///
    /// # Errors
    /// When the column holds what the field's type cannot.
    pub fn to_value(&self, column: &ColumnValue) -> Result<Value, FieldError> {
        match column {
            ColumnValue::Text(text) if self.keeps_text() => Ok(Value::Text(text.clone())),
            column => (self.to_value)(column),
        }
    }

    /// The same of a column that nobody else needs.
    pub(crate) fn value_from(&self, column: ColumnValue) -> Result<Value, FieldError> {
        match column {
            ColumnValue::Text(text) if self.keeps_text() => Ok(Value::Text(text)),
            column => (self.to_value)(&column),
        }
    }

    /// Document value to column, canonical: equal values always become the same column value.
    ///
    /// # Errors
    /// When the value is not one of the field's type.
    pub fn to_column(&self, value: &Value) -> Result<ColumnValue, FieldError> {
        match value {
            Value::Text(text) if self.keeps_text() => Ok(ColumnValue::Text(text.clone())),
            value => (self.to_column)(value, self.storage),
        }
    }

    /// An id part to its column. Another spelling than the field's own (a UUID in capitals) is refused: the row would name another
    /// document than the one it came from.
    pub(super) fn id_column(&self, part: &Value) -> Result<ColumnValue, FieldError> {
        let column = self.to_column(part)?;
        if self.canonical || self.to_value(&column)? == *part {
            return Ok(column);
        }
        let found = match part {
            Value::Text(text) => text.clone(),
            other => other.kind_name().into(),
        };
        Err(FieldError::content("an id as its field writes it", found))
    }

    /// The column value that a missing document field stands for.
    ///
    /// # Errors
    /// When the field has no default and cannot be NULL.
    pub fn missing(&self) -> Result<ColumnValue, FieldError> {
        match self.default {
            Some(default) => self.to_column(&default()),
            None if self.nullable => Ok(ColumnValue::Null),
            None => Err(FieldError::Missing),
        }
    }

    /// The column of this field in the row that a document stands for, which has `value` or nothing of this name.
    pub(crate) fn column_of(&self, value: Option<&Value>) -> Result<ColumnValue, RowError> {
        let column = match value {
            Some(Value::Null) if !self.nullable && self.default.is_some() => self.missing(),
            // A row made of a value that no store takes could never be sent again.
            Some(value) => match value.validate() {
                Ok(()) => self.to_column(value),
                Err(reason) => Err(FieldError::Value(reason)),
            },
            None => self.missing(),
        };
        column.map_err(|reason| RowError::field(self, reason))
    }

    /// A column as this field would write it: what is compared and hashed.
    ///
    /// # Errors
    /// When the column holds what the field's type cannot.
    pub fn canonical(&self, column: ColumnValue) -> Result<ColumnValue, FieldError> {
        if self.has_canonical(&column) {
            return Ok(column);
        }
        self.to_column(&self.to_value(&column)?)
    }

    /// Whether this column is certain to be as this field would write it.
    pub(super) fn has_canonical(&self, column: &ColumnValue) -> bool {
        self.canonical && self.storage.admits(column, self.nullable)
    }
}
