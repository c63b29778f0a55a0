//! Why a registry cannot be started: [`RegistryError`], [`StartError`].

use crate::{error::ErrorKind, field::FieldKind, repository::RepositoryError};

/// Why a registry cannot be started. Always permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No model at all.
    #[error(
        "no adapter is registered; derive `DittoAdapter` on a struct that this binary uses, or name the models with `.with::<T>()`"
    )]
    Empty,
    /// Two models have the same collection or table.
    #[error("`{first}` and `{second}` have the same {what} `{name}`; give one of them another")]
    Duplicate {
        /// `collection` or `table`.
        what: &'static str,
        /// The name both have.
        name: &'static str,
        /// One type, with its module.
        first: String,
        /// The other type, with its module.
        second: String,
    },
    /// `only` or `without` names a collection that no model has.
    #[error("no model has the collection `{name}`; known are: {known}")]
    UnknownCollection {
        /// The collection.
        name: String,
        /// Those of the models.
        known: String,
    },
    /// The models have other collections than `expect_collections` names.
    #[error(
        "the collections are not those expected; missing: {}; unexpected: {}",
        listed(missing),
        listed(unexpected)
    )]
    Collections {
        /// Expected, and of no model.
        missing: Vec<String>,
        /// Of a model, and not expected.
        unexpected: Vec<String>,
    },
    /// A context value that no scope and no filter asks for.
    #[error("the context has a value for `{name}`, which no scope and no filter names; known are: {known}")]
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Those that scopes and filters name.
        known: String,
    },
    /// A context value is of another kind than the field it is compared with, so that it would match nothing.
    #[error(
        "the context has {found} for `{name}`, which `{model}` compares with its field `{field}` ({kind:?})"
    )]
    ParameterKind {
        /// The parameter.
        name: String,
        /// What it holds.
        found: &'static str,
        /// The type of the model, with its module.
        model: String,
        /// The document name of the field.
        field: String,
        /// What the field holds.
        kind: FieldKind,
    },
    /// A scope or a filter asks for a context value that was not given.
    #[error("the context has no value for `{name}`, which a scope or a filter names; needed are: {known}")]
    MissingParameter {
        /// The parameter.
        name: String,
        /// Those that scopes and filters name.
        known: String,
    },
}

/// Why a coordinator could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The registry is not consistent.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database does not fit.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl StartError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Registry(_) => ErrorKind::Permanent,
            Self::Repository(error) => error.kind(),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
