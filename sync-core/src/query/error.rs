//! Why a query cannot be rendered: [`QueryError`].

use crate::{error::ErrorKind, field::FieldKind, value::ValueError};

/// Why a query cannot be rendered. Always permanent: the query, its parameters or the model has to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Parameters without a value.
    #[error("the query lacks a value for its parameters {}", listed(names))]
    MissingParameters {
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// An operand that no document can hold.
    #[error("the operand of field `{field}` is not a value of a document")]
    Operand {
        /// The field it is compared with.
        field: String,
        /// What is wrong with it.
        #[source]
        reason: ValueError,
    },
    /// The model has no such document field.
    #[error("`{model}` has no field `{field}`; it has {}", listed(known))]
    UnknownField {
        /// The Rust type of the model.
        model: &'static str,
        /// The field that was asked for.
        field: String,
        /// The model's document fields.
        known: Vec<String>,
    },
    /// The column's order is not the order of the document values, so SQL cannot tell less from greater.
    #[error(
        "field `{field}` ({kind:?}) is not stored in the order of its values, so that SQL cannot order it"
    )]
    NotOrdered {
        /// The document name of the field.
        field: String,
        /// What the field holds.
        kind: FieldKind,
    },
    /// The column's form has no comparison that agrees with the document values.
    #[error("field `{field}` ({kind:?}) can only be asked in SQL whether it is null")]
    NotComparable {
        /// The document name of the field.
        field: String,
        /// What the field holds.
        kind: FieldKind,
    },
    /// A name that the store's query language cannot carry.
    #[error("`{name}` cannot be a name in a query: {reason}")]
    Name {
        /// The name of a collection or a field.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl QueryError {
    /// Whether only SQL has no way to ask for it, while a document can be.
    #[must_use]
    pub fn is_about_columns(&self) -> bool {
        matches!(self, Self::NotOrdered { .. } | Self::NotComparable { .. })
    }

    /// Whether trying again may help: never, by itself.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Permanent
    }
}

fn listed(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
