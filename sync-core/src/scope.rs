//! Which documents belong on this device: [`Scopes`], one [`ModelScope`] a model.
//!
//! Not here: where the context values come from (`context`, `source`), how a running coordinator changes over to another scope
//! (`switch`, and the coordinator).

mod context;
mod source;
pub(crate) mod switch;

use std::collections::HashMap;

pub(crate) use self::context::Context;
pub use self::{context::ContextError, source::ContextSource};
use crate::{column::Image, descriptor::ModelDescriptor, document::Document, id::DocumentId, query::Query};

/// The scope of each model, by collection. A model without one has no scope: everything belongs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scopes {
    models: HashMap<&'static str, ModelScope>,
}

/// What belongs on this device of one model.
///
/// That it is not known is a state of its own, and no query: one that always holds would fetch everybody's data, one that never holds would remove the rows
/// of this device.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ModelScope {
    /// Every document.
    #[default]
    Everything,
    /// The documents that match.
    Matching(Query),
    /// Not known before these parameters of the context have values, by name: nothing is observed or seeded, and nothing removed.
    Awaiting(Vec<String>),
}

/// Whether a document belongs on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// It does.
    Here,
    /// It does not.
    Elsewhere,
    /// Nobody knows yet.
    Unknown,
}

impl Scopes {
    /// No model has a scope.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Gives a model its scope.
    pub fn set(&mut self, model: &ModelDescriptor, query: Query) {
        self.put(model, ModelScope::Matching(query));
    }

    /// Gives a model its scope, or says that it is not known.
    pub fn put(&mut self, model: &ModelDescriptor, scope: ModelScope) {
        self.models.insert(model.collection(), scope);
    }

    /// The scope of a model.
    #[must_use]
    pub fn of(&self, model: &ModelDescriptor) -> &ModelScope {
        self.models
            .get(model.collection())
            .unwrap_or(&ModelScope::Everything)
    }

    /// The query of a model; `None` while its scope is not known.
    #[must_use]
    pub fn query(&self, model: &ModelDescriptor) -> Option<Query> {
        match self.of(model) {
            ModelScope::Everything => Some(Query::all()),
            ModelScope::Matching(query) => Some(query.clone()),
            ModelScope::Awaiting(_) => None,
        }
    }

    /// Whether the scope of a model is not known yet.
    #[must_use]
    pub fn awaits(&self, model: &ModelDescriptor) -> bool {
        matches!(self.of(model), ModelScope::Awaiting(_))
    }

    /// Whether a document belongs on this device.
    #[must_use]
    pub fn judge(&self, model: &ModelDescriptor, document: &Document) -> Belongs {
        match self.of(model) {
            ModelScope::Awaiting(_) => Belongs::Unknown,
            ModelScope::Matching(query) if !query.matches(document) => Belongs::Elsewhere,
            ModelScope::Everything | ModelScope::Matching(_) => Belongs::Here,
        }
    }

    /// Whether a row stays on this device. One that cannot be converted does, and one whose scope is not known: no row is ever removed on a guess.
    #[must_use]
    pub fn admits_row(&self, model: &ModelDescriptor, id: &DocumentId, image: &Image) -> bool {
        match self.of(model) {
            ModelScope::Everything | ModelScope::Awaiting(_) => true,
            ModelScope::Matching(query) => model
                .document_of(id, image)
                .map_or(true, |document| query.matches(&document)),
        }
    }
}
