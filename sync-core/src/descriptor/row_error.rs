//! Why a record cannot be converted: [`RowError`].

use super::FieldDescriptor;
use crate::{field::FieldError, id::IdError};

/// Why a row or a document of a model cannot be converted. Always permanent: the record is quarantined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A field is missing, or holds what its type cannot.
    #[error("field `{field}`: {reason}")]
    Field {
        /// The document name of the field.
        field: &'static str,
        /// What is wrong with it.
        reason: FieldError,
    },
    /// A hook of the app panicked.
    #[error("the hook `{hook}` panicked: {reason}")]
    Hook {
        /// The hook.
        hook: &'static str,
        /// What it said.
        reason: String,
    },
    /// The id is out of bounds.
    #[error("id: {0}")]
    Id(IdError),
    /// The id has another number of parts than the model.
    #[error("the id has {found} parts, the model has {expected}")]
    IdParts {
        /// Parts in the model.
        expected: usize,
        /// Parts in the id.
        found: usize,
    },
}

impl RowError {
    pub(super) fn field(field: &FieldDescriptor, reason: FieldError) -> Self {
        Self::Field {
            field: field.document_name(),
            reason,
        }
    }
}
