//! The laws that every `DittoField` keeps, and the agreement with sqlx; called with values by the tests of each type.

use std::fmt::Debug;

use ditto_sync_core::{
    column::ColumnValue,
    field::{DittoField, FieldError, FieldKind, Storage},
    value::Value,
};
use sqlx::{Decode, Encode, Sqlite, Type};

use crate::database::Database;

/// Document and column give the value back, and what is written depends on the value alone.
pub(crate) fn hold_for<T: DittoField + PartialEq + Debug>(value: &T) {
    let document = value.to_value();
    assert!(
        is_of_kind(&document, T::KIND),
        "{document:?} is not {:?}",
        T::KIND
    );
    let from_document = T::from_value(&document).expect("a document value reads back");
    assert_eq!(from_document, *value);
    assert_eq!(from_document.to_value(), document);
    assert!(
        T::STORAGE.admits(&value.to_column(T::STORAGE), T::NULLABLE),
        "the type's own class is not written"
    );
    for storage in [
        T::STORAGE,
        Storage::Text,
        Storage::Integer,
        Storage::Real,
        Storage::Blob,
    ] {
        let column = value.to_column(storage);
        let from_column = T::from_column(&column).expect("a column reads back");
        assert_eq!(from_column, *value, "through {column:?}");
        assert_eq!(from_column.to_column(storage), column);
        assert_eq!(
            from_column.to_value(),
            document,
            "the row path changes the document"
        );
        assert_eq!(
            from_document.to_column(storage),
            column,
            "the document path changes the column"
        );
    }
}

/// A column is what sqlx writes, and sqlx reads it back.
pub(crate) fn agree_with_sqlx<T>(database: &Database, value: &T)
where
    T: DittoField + PartialEq + Debug + Clone + Type<Sqlite>,
    T: for<'q> Encode<'q, Sqlite> + for<'r> Decode<'r, Sqlite>,
{
    let column = value.to_column(T::STORAGE);
    assert_eq!(database.written_by_sqlx(value.clone()), column);
    assert_eq!(database.read_by_sqlx::<T>(&column).as_ref(), Some(value));
}

/// A column that any code may have written is read as sqlx reads it, or refused where sqlx refuses it.
pub(crate) fn read_like_sqlx<T>(database: &Database, column: &ColumnValue)
where
    T: DittoField + PartialEq + Debug + Type<Sqlite> + for<'r> Decode<'r, Sqlite>,
{
    assert_eq!(
        T::from_column(column).ok(),
        database.read_by_sqlx::<T>(column),
        "of {column:?}"
    );
}

/// A value of another kind is an error that names what was expected and what was found.
pub(crate) fn refuse_other_kinds<T: DittoField + Debug>(accepted: &[&str]) {
    let samples = [
        Value::Null,
        Value::Bool(true),
        Value::Int(1),
        Value::Float(0.5),
        Value::Text("?".into()),
        Value::Bytes(vec![1]),
        Value::List(vec![]),
        Value::Map([].into()),
    ];
    for sample in samples {
        if accepted.contains(&sample.kind_name()) {
            continue;
        }
        let error = T::from_value(&sample).expect_err("another kind");
        assert!(
            matches!(error, FieldError::Kind { found, .. } if found == sample.kind_name()),
            "{error:?} for {sample:?}"
        );
        assert!(error.to_string().starts_with("expected "), "{error}");
    }
}

fn is_of_kind(value: &Value, kind: FieldKind) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => matches!(kind, FieldKind::Bool | FieldKind::Json | FieldKind::Any),
        Value::Int(_) => matches!(kind, FieldKind::Int | FieldKind::Json | FieldKind::Any),
        Value::Float(_) => matches!(kind, FieldKind::Float | FieldKind::Json | FieldKind::Any),
        Value::Text(_) => matches!(kind, FieldKind::Text | FieldKind::Json | FieldKind::Any),
        Value::Bytes(_) => matches!(kind, FieldKind::Bytes | FieldKind::Any),
        Value::List(_) | Value::Map(_) => kind == FieldKind::Json,
    }
}
