//! Which documents belong on this device: [`Scopes`].
//!
//! Not here: where the context values come from and what happens when they change.

use std::collections::HashMap;

use crate::{column::Image, descriptor::ModelDescriptor, document::Document, id::DocumentId, query::Query};

/// The query of each model, by collection. A model without one has no scope: everything belongs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scopes {
    queries: HashMap<&'static str, Query>,
}

impl Scopes {
    /// No model has a scope.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Gives a model its scope.
    pub fn set(&mut self, model: &ModelDescriptor, query: Query) {
        self.queries.insert(model.collection(), query);
    }

    /// The query of a model.
    #[must_use]
    pub fn query(&self, model: &ModelDescriptor) -> Query {
        self.queries.get(model.collection()).cloned().unwrap_or_default()
    }

    /// Whether a document belongs on this device.
    #[must_use]
    pub fn admits(&self, model: &ModelDescriptor, document: &Document) -> bool {
        self.queries
            .get(model.collection())
            .is_none_or(|query| query.matches(document))
    }

    /// Whether a row belongs on this device. One that cannot be converted stays: it is never removed on a guess.
    #[must_use]
    pub fn admits_row(&self, model: &ModelDescriptor, id: &DocumentId, image: &Image) -> bool {
        match self.queries.get(model.collection()) {
            None => true,
            Some(query) => model
                .document_of(id, image)
                .map_or(true, |document| query.matches(&document)),
        }
    }
}
