//! How a mapped field converts when its type alone does not decide it: [`Conversion`]. The type's own, that of a module the user wrote, and
//! (in `field::json_text`) JSON.
//!
//! Generated code names these through `private`; the engine sees none of them, only the functions in a field's descriptor.

use std::marker::PhantomData;

use super::{DittoField, FieldError, FieldKind, Storage};
use crate::{column::ColumnValue, value::Value};

/// The conversions of one field. The first two serve the struct, the others the engine's row path.
pub(crate) trait Conversion {
    /// The Rust type of the field.
    type Field;
    /// The kind of its document values.
    const KIND: FieldKind;
    /// The class its columns are written in.
    const STORAGE: Storage;
    /// Whether NULL is one of its values.
    const NULLABLE: bool = false;
    /// See [`DittoField::CANONICAL`].
    const CANONICAL: bool = false;
    /// See [`DittoField::NEVER_NUMERIC`].
    const NEVER_NUMERIC: bool = false;
    /// See [`DittoField::AS_IT_IS`].
    const AS_IT_IS: bool = false;

    /// A value of the struct as a document value.
    fn encode(field: &Self::Field) -> Value;

    /// A column as a value of the struct.
    ///
    /// # Errors
    /// When the column does not hold one.
    fn decode(column: &ColumnValue) -> Result<Self::Field, FieldError>;

    /// A column as a document value.
    ///
    /// # Errors
    /// When the column does not hold one of the field's type.
    fn to_value(column: &ColumnValue) -> Result<Value, FieldError>;

    /// A document value as a column.
    ///
    /// # Errors
    /// When the value is not one of the field's type.
    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError>;
}

/// The conversion of a type that is a [`DittoField`].
#[derive(Debug)]
pub(crate) struct OfType<T>(PhantomData<T>);

impl<T: DittoField> Conversion for OfType<T> {
    type Field = T;
    const KIND: FieldKind = T::KIND;
    const STORAGE: Storage = T::STORAGE;
    const NULLABLE: bool = T::NULLABLE;
    const CANONICAL: bool = T::CANONICAL;
    const NEVER_NUMERIC: bool = T::NEVER_NUMERIC;
    const AS_IT_IS: bool = T::AS_IT_IS;

    fn encode(field: &T) -> Value {
        field.to_value()
    }

    fn decode(column: &ColumnValue) -> Result<T, FieldError> {
        T::from_column(column)
    }

    fn to_value(column: &ColumnValue) -> Result<Value, FieldError> {
        Ok(T::from_column(column)?.to_value())
    }

    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError> {
        Ok(T::from_value(value)?.to_column(storage))
    }
}

/// What a module named by `#[ditto(with = module)]` holds. The derive implements it for a type that stands for the module.
pub trait Module {
    /// The type that the module converts.
    type Field: 'static;
    /// Its constants and functions. They are one value, so that a module for another type is one error.
    const MODULE: ModuleOf<Self::Field>;
}

/// The constants and functions of a module for `T`.
#[derive(Debug)]
pub struct ModuleOf<T> {
    /// The kind of its document values.
    pub kind: FieldKind,
    /// The class its columns are written in.
    pub storage: Storage,
    /// To a document value.
    pub to_value: fn(&T) -> Value,
    /// From a document value.
    pub from_value: fn(&Value) -> Result<T, FieldError>,
    /// To a column of this class.
    pub to_column: fn(&T, Storage) -> ColumnValue,
    /// From a column.
    pub from_column: fn(&ColumnValue) -> Result<T, FieldError>,
}

/// The conversion of a module.
#[derive(Debug)]
pub(crate) struct ByModule<M>(PhantomData<M>);

impl<M: Module> Conversion for ByModule<M> {
    type Field = M::Field;
    const KIND: FieldKind = M::MODULE.kind;
    const STORAGE: Storage = M::MODULE.storage;

    fn encode(field: &M::Field) -> Value {
        (M::MODULE.to_value)(field)
    }

    fn decode(column: &ColumnValue) -> Result<M::Field, FieldError> {
        (M::MODULE.from_column)(column)
    }

    fn to_value(column: &ColumnValue) -> Result<Value, FieldError> {
        Ok(Self::encode(&Self::decode(column)?))
    }

    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError> {
        Ok((M::MODULE.to_column)(&(M::MODULE.from_value)(value)?, storage))
    }
}

/// A conversion with NULL beside it, so that a module need not know of `Option`.
#[derive(Debug)]
pub(crate) struct OrNull<C>(PhantomData<C>);

impl<C: Conversion> Conversion for OrNull<C> {
    type Field = Option<C::Field>;
    const KIND: FieldKind = C::KIND;
    const STORAGE: Storage = C::STORAGE;
    const NULLABLE: bool = true;
    const CANONICAL: bool = C::CANONICAL;
    const NEVER_NUMERIC: bool = C::NEVER_NUMERIC;

    fn encode(field: &Option<C::Field>) -> Value {
        field.as_ref().map_or(Value::Null, C::encode)
    }

    fn decode(column: &ColumnValue) -> Result<Option<C::Field>, FieldError> {
        match column {
            ColumnValue::Null => Ok(None),
            column => C::decode(column).map(Some),
        }
    }

    fn to_value(column: &ColumnValue) -> Result<Value, FieldError> {
        match column {
            ColumnValue::Null => Ok(Value::Null),
            column => C::to_value(column),
        }
    }

    fn to_column(value: &Value, storage: Storage) -> Result<ColumnValue, FieldError> {
        match value {
            Value::Null => Ok(ColumnValue::Null),
            value => C::to_column(value, storage),
        }
    }
}
