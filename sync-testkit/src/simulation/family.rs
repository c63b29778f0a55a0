//! The tables of a simulation: one, or parents and their children: [`Family`].
//!
//! Ids are unique over all tables, so an id names its row. Rows are numbered, parents first. Not here: how one row is written (`shape`).

use std::collections::BTreeMap;

use ditto_sync_core::{
    column::Image, descriptor::ModelDescriptor, document::Document, hash::ContentHash, id::DocumentId,
    scope::Scopes,
};

use super::{
    schedule::ScopeSides,
    shape::{Shape, ShapeError},
};
use crate::{
    memory_repository::{ForeignKey, MemoryRepository, OnDelete},
    memory_store::MemoryStore,
};

/// The device whose table has a CHECK that documents may violate.
const STRICT_DEVICE: usize = 1;

/// The tables of a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    /// Parents first.
    tables: Vec<Shape>,
    key: Option<ForeignKey>,
}

impl Family {
    pub(crate) fn new(model: &'static ModelDescriptor) -> Result<Self, ShapeError> {
        Ok(Self {
            tables: vec![Shape::new(model)?],
            key: None,
        })
    }

    /// Rows of `child` refer by `columns` to those of the model so far, and are deleted with them.
    pub(crate) fn with_children(
        mut self,
        child: &'static ModelDescriptor,
        columns: &'static [&'static str],
    ) -> Result<Self, ShapeError> {
        let parents = &self.tables[0];
        let shape = Shape::of_children(child, columns, parents)?;
        self.key = Some(ForeignKey {
            child,
            columns,
            parent: parents.model,
            on_delete: OnDelete::Cascade,
        });
        self.tables.truncate(1);
        self.tables.push(shape);
        Ok(self)
    }

    /// Whether rows refer to others.
    pub(crate) fn is_related(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn models(&self) -> Vec<&'static ModelDescriptor> {
        self.tables.iter().map(|shape| shape.model).collect()
    }

    pub(crate) fn tables(&self) -> &[Shape] {
        &self.tables
    }

    /// The table of a row.
    pub(crate) fn of(&self, id: &DocumentId) -> &Shape {
        let found = self.tables.iter().find(|shape| shape.ids.contains(id));
        found.unwrap_or(&self.tables[0])
    }

    /// A row by its number.
    pub(crate) fn row(&self, number: usize) -> (&Shape, &DocumentId) {
        let all = self
            .tables
            .iter()
            .flat_map(|shape| shape.ids.iter().map(move |id| (shape, id)));
        let count = self.tables.iter().map(|shape| shape.ids.len()).sum::<usize>();
        all.cycle()
            .nth(number % count)
            .expect("a shape has rows, and the number is below theirs")
    }

    /// All rows, parents first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &DocumentId> {
        self.tables.iter().flat_map(|shape| &shape.ids)
    }

    /// An empty database of this device.
    pub(crate) fn repository(&self, seed: u64, device: usize) -> MemoryRepository {
        let repository = MemoryRepository::new(seed);
        let Some(key) = self.key else { return repository };
        let repository = repository.with_foreign_key(key);
        match Self::is_strict(device) {
            true => self.tables.iter().fold(repository, |repository, shape| {
                let strict = shape.clone();
                repository.with_check(shape.model, "no bad b", move |image| !strict.is_refused(image))
            }),
            false => repository,
        }
    }

    /// Whether this device begins with strict tables.
    pub(crate) fn is_strict(device: usize) -> bool {
        device == STRICT_DEVICE
    }

    /// Whether strict tables refuse such a row.
    pub(crate) fn refuses(&self, shape: &Shape, image: &Image) -> bool {
        self.is_related() && shape.is_refused(image)
    }

    pub(crate) fn scopes(&self, sides: ScopeSides) -> Scopes {
        let mut scopes = Scopes::everything();
        for shape in &self.tables {
            shape.limit(&mut scopes, sides);
        }
        scopes
    }

    /// All rows of a device.
    pub(crate) fn rows(&self, repository: &MemoryRepository) -> BTreeMap<DocumentId, Image> {
        let rows = self.tables.iter().flat_map(|shape| repository.rows(shape.model));
        rows.collect()
    }

    /// What a device has agreed on.
    pub(crate) fn known(&self, repository: &MemoryRepository) -> BTreeMap<DocumentId, ContentHash> {
        let known = self.tables.iter().flat_map(|shape| repository.known(shape.model));
        known.collect()
    }

    /// The document of a row, readable or not.
    pub(crate) fn document(&self, store: &MemoryStore, id: &DocumentId) -> Option<Document> {
        let model = self.of(id).model;
        let document = store.raw_document(model, id)?;
        (!model.is_husk(&document)).then_some(document)
    }

    /// The first row of a device that refers to none.
    pub(crate) fn orphan(&self, repository: &MemoryRepository) -> Option<DocumentId> {
        let children = self.tables.get(1)?;
        let orphan = |(id, image): &(DocumentId, Image)| {
            let parent = self.parent(id, image);
            parent.is_some_and(|parent| repository.row(self.tables[0].model, parent).is_none())
        };
        let found = repository.rows(children.model).into_iter().find(orphan);
        found.map(|(id, _)| id)
    }

    /// The row that a row refers to.
    pub(crate) fn parent(&self, id: &DocumentId, image: &Image) -> Option<&DocumentId> {
        let at = self.of(id).parent(image)?;
        self.tables[0].ids.get(at)
    }
}
