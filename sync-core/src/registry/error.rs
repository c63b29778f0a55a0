//! Why a registry cannot be started: [`RegistryError`], [`StartError`].

use crate::{error::ErrorKind, repository::RepositoryError, scope::ContextError};

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
    /// The context does not fit the models.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A link names what its target does not have. The derive refuses this when it compiles; adapters written by hand are asked at start.
    #[error(
        "`{model}` links to `{target}` by `{remote_key}`, which is neither its id nor a field of text or integers; known are: {known}"
    )]
    Link {
        /// The type that links, with its module.
        model: String,
        /// The type that it links to, with its module.
        target: String,
        /// What the link names.
        remote_key: &'static str,
        /// The document fields of the target.
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
