//! The fixture of the repository in memory: [`MemoryFixture`].

use std::collections::BTreeMap;

use ditto_sync_core::{column::Image, descriptor::ModelDescriptor, error::Source, id::DocumentId};

use super::RepositoryFixture;
use super::models::{CATEGORY, ORDER, ORDER_ITEM};
use crate::{
    app_change::AppChange,
    memory_repository::{ForeignKey, MemoryRepository, OnDelete},
};

/// A [`MemoryRepository`] with the constraints of [`SCHEMA`](super::models::SCHEMA).
#[derive(Debug)]
pub struct MemoryFixture {
    database: MemoryRepository,
}

impl MemoryFixture {
    /// An empty database.
    #[must_use]
    pub fn new() -> Self {
        const SEED: u64 = 1;
        let database = MemoryRepository::new(SEED)
            .with_unique(&CATEGORY, &["name"])
            .with_foreign_key(ForeignKey {
                child: &ORDER_ITEM,
                columns: &["order_id"],
                parent: &ORDER,
                on_delete: OnDelete::Cascade,
            });
        Self { database }
    }
}

impl Default for MemoryFixture {
    fn default() -> Self {
        Self::new()
    }
}

impl RepositoryFixture for MemoryFixture {
    type Repository = MemoryRepository;

    async fn open(&mut self) -> MemoryRepository {
        self.database.connect()
    }

    async fn crash(&mut self, repository: MemoryRepository) {
        drop(repository);
        self.database = self.database.restart();
    }

    async fn change(&mut self, change: AppChange) -> Result<(), Source> {
        self.database.app().change(&change).map_err(Into::into)
    }

    async fn change_unseen(&mut self, change: AppChange) -> Result<(), Source> {
        self.database.app().change_unseen(&change).map_err(Into::into)
    }

    async fn rows(&mut self, model: &'static ModelDescriptor) -> BTreeMap<DocumentId, Image> {
        self.database.rows(model)
    }

    async fn writes(&mut self) -> u64 {
        self.database.writes()
    }
}
