//! What the code written by the derive calls. Not public API: it changes without notice, and only the derive of the same version
//! may name it.

pub use core::{
    default::Default,
    marker::{Send, Sized, Sync},
    option::Option::{self, None, Some},
    result::Result::{self, Err, Ok},
};

pub use inventory;

mod links;

pub use self::links::{KnownFields, LinkTarget, link_target};
use crate::field::conversion::{ByModule, Conversion, OfType, OrNull};
#[cfg(feature = "json")]
pub use crate::field::json_text::JsonField;
#[cfg(feature = "json")]
use crate::field::json_text::{ByJson, ByJsonOrNull};
pub use crate::{
    adapter::{DittoAdapter, Registration},
    column::{ColumnValue, Image},
    descriptor::{Direction, FieldDescriptor, LeftScope, LinkDescriptor, ModelDescriptor, RowError, Scope},
    document::Document,
    field::{DittoField, FieldError, FieldKind, Storage, conversion::Module},
    hooks::{DittoHooks, Hooks},
    id::{DocumentId, IdError},
    query::{Field, Filter, Operand, and, field, not, or, param},
    value::Value,
};

/// A field together with its Rust type. Generated code demands `DittoField` in [`typed_field`] only, and converts through this: so a type
/// without the trait is refused once, where the struct names it.
#[derive(Debug)]
pub struct TypedField<T> {
    /// The field as the engine knows it, before its attributes.
    pub descriptor: FieldDescriptor,
    kind: FieldKind,
    nullable: bool,
    canonical: bool,
    encode: fn(&T) -> Value,
    decode: fn(&ColumnValue) -> Result<T, FieldError>,
}

/// A field of type `T`: its name in the struct, in the document and in the table.
#[must_use]
pub const fn typed_field<T: DittoField>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<T> {
    converted_field::<OfType<T>>(name, document, column)
}

/// A field that the module `M` converts.
#[must_use]
pub const fn module_field<M: Module>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<M::Field> {
    converted_field::<ByModule<M>>(name, document, column)
}

/// A field that is NULL or something that the module `M` converts.
#[must_use]
pub const fn nullable_module_field<M: Module>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<Option<M::Field>> {
    converted_field::<OrNull<ByModule<M>>>(name, document, column)
}

/// A field that serde converts.
#[cfg(feature = "json")]
#[must_use]
pub const fn json_field<T: JsonField>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<T> {
    converted_field::<ByJson<T>>(name, document, column)
}

/// A field that serde converts, whose JSON null is NULL.
#[cfg(feature = "json")]
#[must_use]
pub const fn nullable_json_field<T: JsonField>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<T> {
    converted_field::<ByJsonOrNull<T>>(name, document, column)
}

const fn converted_field<C: Conversion>(
    name: &'static str,
    document: &'static str,
    column: &'static str,
) -> TypedField<C::Field> {
    TypedField {
        descriptor: FieldDescriptor::converted::<C>(name, document, column),
        kind: C::KIND,
        nullable: C::NULLABLE,
        canonical: C::CANONICAL,
        encode: C::encode,
        decode: C::decode,
    }
}

impl<T> TypedField<T> {
    /// Stops the compiler, at the caller, when the type cannot be part of an id.
    #[track_caller]
    pub const fn assert_key(&self) {
        assert!(
            matches!(self.kind, FieldKind::Int | FieldKind::Text) && !self.nullable,
            "a field of the id holds text or an integer, and is never NULL"
        );
    }

    /// Stops the compiler, at the caller, when the type cannot count: it must hold every 64-bit integer, so that no sum of increments
    /// is out of its range.
    #[track_caller]
    pub const fn assert_counter(&self) {
        assert!(
            matches!(self.kind, FieldKind::Int) && self.canonical,
            "a counter is an `i64`, an `Option<i64>` or a newtype of one"
        );
    }

    /// Stops the compiler, at the caller, when the type cannot scope a model: a float, JSON or bytes are not told alike by everyone.
    #[track_caller]
    pub const fn assert_scope(&self) {
        assert!(
            matches!(self.kind, FieldKind::Text | FieldKind::Int | FieldKind::Bool),
            "a field of the scope holds text, an integer or a bool"
        );
    }

    /// Stops the compiler, at the caller, when no value of the type is comparable with such an operand.
    #[track_caller]
    pub const fn assert_comparable(&self, operand: OperandKind, message: &'static str) {
        let is_comparable = match self.kind {
            FieldKind::Any => true,
            FieldKind::Text => matches!(operand, OperandKind::Text | OperandKind::Parameter),
            FieldKind::Int | FieldKind::Float => {
                matches!(operand, OperandKind::Number | OperandKind::Parameter)
            }
            FieldKind::Bool => matches!(operand, OperandKind::Bool | OperandKind::Parameter),
            FieldKind::Bytes => matches!(operand, OperandKind::Parameter),
            FieldKind::Json => false,
        };
        assert!(is_comparable, "{}", message);
    }

    /// To a document value.
    pub fn encode(&self, value: &T) -> Value {
        (self.encode)(value)
    }

    /// From a column as the engine would write it.
    ///
    /// # Errors
    /// When the column does not hold a `T`; names the field.
    pub fn decode(&self, column: &ColumnValue) -> Result<T, RowError> {
        (self.decode)(column).map_err(|reason| field_error(&self.descriptor, reason))
    }
}

/// What a filter compares a field with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperandKind {
    /// A text.
    Text,
    /// An integer or a float.
    Number,
    /// `true` or `false`.
    Bool,
    /// A parameter of the context, whose value is checked at start.
    Parameter,
}

/// Says that the struct's attributes name `hooks`, so that hooks which nobody would call are refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has hooks, and does not say so",
    label = "these hooks would never be called",
    note = "write `hooks` in the `#[ditto(..)]` of the struct"
)]
pub trait DeclaresHooks {}

/// The hooks of `T`.
#[must_use]
pub const fn hooks<T: DittoHooks>() -> Hooks {
    Hooks::of::<T>()
}

/// A literal of a filter.
#[must_use]
pub fn literal(value: impl Into<Value>) -> Operand {
    Operand::Literal(value.into())
}

/// The id that the values of the id fields make up.
///
/// # Errors
/// When a value is neither text nor an integer, or the id is out of bounds.
pub fn document_id<const N: usize>(values: [Value; N]) -> Result<DocumentId, IdError> {
    DocumentId::from_values(values.into())
}

/// The document of a struct: that of the row which the struct would be stored as, so that struct and engine cannot disagree.
///
/// # Errors
/// When the id is out of bounds, or a field holds what no store takes.
pub fn document(
    model: &ModelDescriptor,
    id: Result<DocumentId, IdError>,
    values: &[Value],
) -> Result<Document, RowError> {
    let id = id.map_err(RowError::Id)?;
    let pairs = model.fields().iter().zip(values);
    let columns = pairs.map(|(field, value)| {
        field
            .to_column(value)
            .map_err(|reason| field_error(field, reason))
    });
    model.document_of(&id, &Image::new(columns.collect::<Result<_, _>>()?))
}

/// The row that a document stands for, as the engine would write it.
#[derive(Debug)]
pub struct Row {
    /// The id columns.
    pub id: Vec<ColumnValue>,
    /// The other mapped columns.
    pub fields: Image,
}

/// The row that a document stands for, as the engine would write it.
///
/// # Errors
/// When the id is of another shape, or a field is missing or of the wrong kind; names the field.
pub fn row(model: &ModelDescriptor, id: &DocumentId, document: &Document) -> Result<Row, RowError> {
    Ok(Row {
        id: model.id_to_columns(id)?,
        fields: model.image_of(document)?,
    })
}

/// A variant's text as a document value.
#[must_use]
pub fn text_value(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A variant's text as a column.
#[must_use]
pub fn text_column(text: &str) -> ColumnValue {
    ColumnValue::Text(text.to_owned())
}

/// The text in a document value.
///
/// # Errors
/// When it holds something else.
pub fn text_of_value<'v>(value: &'v Value, expected: &'static str) -> Result<&'v str, FieldError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(FieldError::value_kind(expected, other)),
    }
}

/// The text in a column.
///
/// # Errors
/// When it holds something else.
pub fn text_of_column<'c>(column: &'c ColumnValue, expected: &'static str) -> Result<&'c str, FieldError> {
    match column {
        ColumnValue::Text(text) => Ok(text),
        other => Err(FieldError::column_class(expected, other)),
    }
}

fn field_error(field: &FieldDescriptor, reason: FieldError) -> RowError {
    RowError::Field {
        field: field.document_name(),
        reason,
    }
}
