//! `DittoField` for the types of std, for `Option` and for [`Value`] itself.

use super::{DittoField, FieldError, FieldKind, Storage};
use crate::{column::ColumnValue, value::Value};

impl DittoField for bool {
    const KIND: FieldKind = FieldKind::Bool;
    const STORAGE: Storage = Storage::Integer;

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Bool(bool) => Ok(*bool),
            other => Err(FieldError::value_kind("a bool", other)),
        }
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        match storage {
            Storage::Text => ColumnValue::Text(self.to_string()),
            Storage::Real => ColumnValue::Real(f64::from(u8::from(*self))),
            Storage::Integer | Storage::Blob | Storage::Any => ColumnValue::Integer((*self).into()),
        }
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Integer(0) => Ok(false),
            ColumnValue::Integer(1) => Ok(true),
            ColumnValue::Integer(other) => Err(FieldError::content("a bool, 0 or 1", other)),
            ColumnValue::Real(real) if *real == 0.0 => Ok(false),
            ColumnValue::Real(real) if *real == 1.0 => Ok(true),
            ColumnValue::Text(text) => text.parse().map_err(|_| FieldError::content("a bool", text)),
            other => Err(FieldError::column_class("a bool", other)),
        }
    }
}

macro_rules! integer_field {
    ($($integer:ty, $name:literal, $canonical:literal);+ $(;)?) => {
        $(impl DittoField for $integer {
            const KIND: FieldKind = FieldKind::Int;
            const STORAGE: Storage = Storage::Integer;
            const CANONICAL: bool = $canonical;
            const AS_IT_IS: bool = $canonical;

            fn to_value(&self) -> Value {
                Value::Int((*self).into())
            }

            fn from_value(value: &Value) -> Result<Self, FieldError> {
                match value {
                    Value::Int(integer) => (*integer).try_into().map_err(|_| FieldError::content($name, integer)),
                    other => Err(FieldError::value_kind($name, other)),
                }
            }

            fn to_column(&self, storage: Storage) -> ColumnValue {
                integer_to_column((*self).into(), storage)
            }

            fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
                let integer = integer_from_column(column, $name)?;
                integer.try_into().map_err(|_| FieldError::content($name, integer))
            }
        })+
    };
}

integer_field!(i64, "an integer", true; i32, "a 32-bit integer", false; i16, "a 16-bit integer", false; i8, "an 8-bit integer", false;
    u32, "an unsigned 32-bit integer", false; u16, "an unsigned 16-bit integer", false; u8, "an unsigned 8-bit integer", false);

fn integer_to_column(integer: i64, storage: Storage) -> ColumnValue {
    match storage {
        Storage::Text => ColumnValue::Text(integer.to_string()),
        Storage::Integer | Storage::Real | Storage::Blob | Storage::Any => ColumnValue::Integer(integer),
    }
}

fn integer_from_column(column: &ColumnValue, name: &'static str) -> Result<i64, FieldError> {
    match column {
        ColumnValue::Integer(integer) => Ok(*integer),
        ColumnValue::Text(text) => text.parse().map_err(|_| FieldError::content(name, text)),
        ColumnValue::Real(real) => whole(*real).ok_or_else(|| FieldError::content(name, real)),
        other => Err(FieldError::column_class(name, other)),
    }
}

/// The integer that a REAL column stands for, where it stands for exactly one.
fn whole(real: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "integral and below 2^53, checked beside it"
    )]
    (real.fract() == 0.0 && real.abs() <= EXACT).then_some(real as i64)
}

macro_rules! float_field {
    ($($float:ty, $canonical:literal);+) => {
        $(impl DittoField for $float {
            const KIND: FieldKind = FieldKind::Float;
            const STORAGE: Storage = Storage::Real;
            const CANONICAL: bool = $canonical;
            const AS_IT_IS: bool = $canonical;

            fn to_value(&self) -> Value {
                Value::Float((*self).into())
            }

            /// An integer that the float holds exactly is taken too: JSON writers drop the point.
            fn from_value(value: &Value) -> Result<Self, FieldError> {
                match value {
                    Value::Float(float) => exactly(*float),
                    Value::Int(integer) => integer_as_float(*integer).map_or_else(|| Err(FieldError::content("a float", integer)), exactly),
                    other => Err(FieldError::value_kind("a float", other)),
                }
            }

            fn to_column(&self, storage: Storage) -> ColumnValue {
                match storage {
                    // Adding zero makes a zero of a negative zero, so that equal floats have one text.
                    Storage::Text => ColumnValue::Text((*self + 0.0).to_string()),
                    _ => ColumnValue::Real((*self).into()),
                }
            }

            fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
                match column {
                    ColumnValue::Real(real) => exactly(*real),
                    ColumnValue::Integer(integer) => {
                        integer_as_float(*integer).map_or_else(|| Err(FieldError::content("a float", integer)), exactly)
                    }
                    ColumnValue::Text(text) => text.parse().map_err(|_| FieldError::content("a float", text)),
                    other => Err(FieldError::column_class("a float", other)),
                }
            }
        })+
    };
}

float_field!(f64, true; f32, false);

/// The same float in a type that may be narrower; an error where it would change.
fn exactly<T: NarrowFloat>(float: f64) -> Result<T, FieldError> {
    T::narrow(float).ok_or_else(|| FieldError::content("a 32-bit float", float))
}

trait NarrowFloat: Sized {
    fn narrow(float: f64) -> Option<Self>;
}

impl NarrowFloat for f64 {
    fn narrow(float: f64) -> Option<Self> {
        Some(float)
    }
}

impl NarrowFloat for f32 {
    fn narrow(float: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the result is compared with the original"
        )]
        let narrow = float as f32;
        (f64::from(narrow) == float || float.is_nan()).then_some(narrow)
    }
}

fn integer_as_float(integer: i64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the result is converted back and compared"
    )]
    let float = integer as f64;
    // Wider than i64, because the float next to `i64::MAX` is above it.
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^63, so exact")]
    let back = float as i128;
    (back == i128::from(integer)).then_some(float)
}

impl DittoField for String {
    const KIND: FieldKind = FieldKind::Text;
    const STORAGE: Storage = Storage::Text;
    const CANONICAL: bool = true;
    const AS_IT_IS: bool = true;

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(FieldError::value_kind("text", other)),
        }
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Text(self.clone())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Text(text) => Ok(text.clone()),
            other => Err(FieldError::column_class("text", other)),
        }
    }
}

impl DittoField for Vec<u8> {
    const KIND: FieldKind = FieldKind::Bytes;
    const STORAGE: Storage = Storage::Blob;
    const CANONICAL: bool = true;

    fn to_value(&self) -> Value {
        Value::Bytes(self.clone())
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.clone()),
            other => Err(FieldError::value_kind("bytes", other)),
        }
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        ColumnValue::Blob(self.clone())
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        match column {
            ColumnValue::Blob(blob) => Ok(blob.clone()),
            other => Err(FieldError::column_class("a blob", other)),
        }
    }
}

impl<T: DittoField> DittoField for Option<T> {
    const KIND: FieldKind = T::KIND;
    const STORAGE: Storage = T::STORAGE;
    const NULLABLE: bool = true;
    const CANONICAL: bool = T::CANONICAL;
    const NEVER_NUMERIC: bool = T::NEVER_NUMERIC;
    const AS_IT_IS: bool = T::AS_IT_IS;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }

    fn to_column(&self, storage: Storage) -> ColumnValue {
        self.as_ref()
            .map_or(ColumnValue::Null, |value| value.to_column(storage))
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        if column.is_null() {
            Ok(None)
        } else {
            T::from_column(column).map(Some)
        }
    }
}

/// Whatever the column holds: for columns whose type the app itself leaves open. Lists and maps do not fit into a column.
impl DittoField for Value {
    const KIND: FieldKind = FieldKind::Any;
    const STORAGE: Storage = Storage::Any;
    const NULLABLE: bool = true;
    const CANONICAL: bool = true;

    fn to_value(&self) -> Value {
        self.clone()
    }

    fn from_value(value: &Value) -> Result<Self, FieldError> {
        match value {
            Self::List(_) | Self::Map(_) => Err(FieldError::value_kind("a value that a column holds", value)),
            other => Ok(other.clone()),
        }
    }

    fn to_column(&self, _: Storage) -> ColumnValue {
        match self {
            Self::Null | Self::List(_) | Self::Map(_) => ColumnValue::Null,
            Self::Bool(bool) => ColumnValue::Integer((*bool).into()),
            Self::Int(integer) => ColumnValue::Integer(*integer),
            Self::Float(float) => ColumnValue::Real(*float),
            Self::Text(text) => ColumnValue::Text(text.clone()),
            Self::Bytes(bytes) => ColumnValue::Blob(bytes.clone()),
        }
    }

    fn from_column(column: &ColumnValue) -> Result<Self, FieldError> {
        Ok(match column {
            ColumnValue::Null => Self::Null,
            ColumnValue::Integer(integer) => Self::Int(*integer),
            ColumnValue::Real(real) => Self::Float(*real),
            ColumnValue::Text(text) => Self::Text(text.clone()),
            ColumnValue::Blob(blob) => Self::Bytes(blob.clone()),
        })
    }
}
