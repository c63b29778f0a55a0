//! What listeners are told, and the rows they read: the part of the contract that serves them.

use std::collections::BTreeSet;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    live::{Origin, ReadRow, RowUnreadable, Touched},
    query::Query,
    repository::RepositoryError,
};

use super::{MemoryRepository, durable::Durable};

/// The rows that have changed, for who listens. No part of the database file: it is empty when a process starts.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    collections: BTreeSet<&'static str>,
    touched: BTreeSet<Touched>,
}

impl Feed {
    fn touch(&mut self, collection: &'static str, id: &DocumentId, origin: Origin) {
        if !self.collections.contains(collection) {
            return;
        }
        self.touched.insert(Touched {
            collection,
            id: id.clone(),
            origin,
        });
    }
}

impl Durable {
    /// A row has changed.
    pub(super) fn touch(&mut self, model: &'static ModelDescriptor, id: &DocumentId, origin: Origin) {
        self.feed.touch(model.collection(), id, origin);
    }

    fn read_row(&self, model: &'static ModelDescriptor, id: &DocumentId) -> Option<ReadRow> {
        let image = self.tables.get(model.collection())?.rows.get(id)?.clone();
        Some(model.canonical(image).map_err(RowUnreadable::from))
    }
}

impl MemoryRepository {
    pub(super) fn set_listened(&self, models: &[&'static ModelDescriptor]) {
        let feed = &mut self.lock().durable.feed;
        feed.collections = models.iter().map(|model| model.collection()).collect();
        let Feed { collections, touched } = feed;
        touched.retain(|touched| collections.contains(touched.collection));
    }

    pub(super) async fn wait_for_touched(&self) -> Result<Vec<Touched>, RepositoryError> {
        loop {
            // Made before the look, so that a change between the two is not missed.
            let notified = self.shared.touched.notified();
            self.check_open()?;
            let touched = std::mem::take(&mut self.lock().durable.feed.touched);
            if !touched.is_empty() {
                return Ok(touched.into_iter().collect());
            }
            notified.await;
        }
    }

    pub(super) fn rows_of(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<ReadRow>>, RepositoryError> {
        self.check_open()?;
        let state = self.lock();
        Ok(ids.iter().map(|id| state.durable.read_row(model, id)).collect())
    }

    pub(super) fn rows_matching(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> Result<Vec<(DocumentId, ReadRow)>, RepositoryError> {
        self.check_open()?;
        match query.to_sql(model) {
            Err(error) if !error.is_about_columns() => {
                return Err(RepositoryError::Unsupported(error.to_string()));
            }
            _ => {}
        }
        let state = self.lock();
        let ids = state.durable.tables.get(model.collection());
        let ids: Vec<_> = ids
            .map(|table| table.rows.keys().cloned().collect())
            .unwrap_or_default();
        let rows = ids.into_iter().filter_map(|id| {
            let row = state.durable.read_row(model, &id)?;
            let document = row
                .as_ref()
                .ok()
                .and_then(|image| model.document_of(&id, image).ok());
            document
                .is_none_or(|document| query.matches(&document))
                .then_some((id, row))
        });
        Ok(rows.collect())
    }

    fn check_open(&self) -> Result<(), RepositoryError> {
        match self.lock().owner == Some(self.connection) {
            true => Ok(()),
            false => Err(RepositoryError::Closed),
        }
    }
}
