//! The app's own writes, captured as the triggers capture them: [`App`].

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    id::DocumentId,
};

use super::{CaptureKind, MemoryRepository, Violation, durable::Durable};
use crate::app_change::AppChange;

/// The app's side of a [`MemoryRepository`]: writes its tables, knowing nothing of the framework. Every method is one transaction.
#[derive(Debug, Clone)]
pub struct App {
    pub(super) repository: MemoryRepository,
}

/// Why an app transaction failed. Nothing of it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The row to insert exists.
    #[error("row {0} exists")]
    Exists(DocumentId),
    /// A constraint would be violated.
    #[error("row {id} would violate a constraint")]
    Violates {
        /// The row.
        id: DocumentId,
        /// The constraint.
        #[source]
        violation: Violation,
    },
    /// The model has no such column.
    #[error("table `{table}` has no column `{column}`")]
    NoColumn {
        /// The table.
        table: &'static str,
        /// The column asked for.
        column: &'static str,
    },
}

impl App {
    /// Inserts a row.
    ///
    /// # Errors
    /// When it exists or violates a constraint.
    pub fn insert(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        image: &Image,
    ) -> Result<(), AppError> {
        self.change(&AppChange::insert(model, id, image))
    }

    /// Updates some columns of a row; nothing happens when it does not exist.
    ///
    /// # Errors
    /// When it violates a constraint, or a column is unknown.
    pub fn update(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        columns: &[(&'static str, ColumnValue)],
    ) -> Result<(), AppError> {
        self.change(&AppChange::update(model, id, columns))
    }

    /// Inserts a row, or updates it in place.
    ///
    /// # Errors
    /// When it violates a constraint.
    pub fn upsert(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        image: &Image,
    ) -> Result<(), AppError> {
        self.change(&AppChange::upsert(model, id, image))
    }

    /// Deletes a row; nothing happens when it does not exist.
    ///
    /// # Errors
    /// When it violates a constraint.
    pub fn delete(&self, model: &'static ModelDescriptor, id: &DocumentId) -> Result<(), AppError> {
        self.change(&AppChange::delete(model, id))
    }

    /// Several changes in one transaction.
    ///
    /// # Errors
    /// When one of them fails; then none happened.
    pub fn transaction(&self, changes: &[AppChange]) -> Result<(), AppError> {
        self.change(&AppChange::Transaction(changes.to_vec()))
    }

    /// One change, whatever it is.
    ///
    /// # Errors
    /// When it fails; then nothing happened.
    pub fn change(&self, change: &AppChange) -> Result<(), AppError> {
        let captured = {
            let mut state = self.repository.lock();
            let before = state.durable.last_seq;
            // Only these can fail half-way; a copy is what they roll back to.
            let backup = matches!(change, AppChange::Transaction(_) | AppChange::Replace { .. })
                .then(|| state.durable.clone());
            if let Err(error) = state.durable.execute(change) {
                if let Some(backup) = backup {
                    state.durable = backup;
                }
                return Err(error);
            }
            state.durable.last_seq != before
        };
        if captured {
            self.repository.wake();
        }
        Ok(())
    }

    /// One change that no capture trigger sees, as when a tool drops them and makes them anew: nobody is told, only an audit finds it.
    ///
    /// # Errors
    /// When it fails; then nothing happened.
    pub fn change_unseen(&self, change: &AppChange) -> Result<(), AppError> {
        let mut state = self.repository.lock();
        let backup = state.durable.clone();
        state
            .durable
            .tables
            .values_mut()
            .for_each(|table| table.captured = false);
        let outcome = state.durable.execute(change);
        if outcome.is_err() {
            state.durable = backup;
            return outcome;
        }
        // Who listens hears of it as little as the triggers do.
        state.durable.feed = backup.feed;
        for (collection, table) in &mut state.durable.tables {
            table.captured = backup.tables.get(collection).is_some_and(|table| table.captured);
        }
        outcome
    }
}

impl Durable {
    fn execute(&mut self, change: &AppChange) -> Result<(), AppError> {
        match change {
            AppChange::Insert { model, id, image } => {
                if self.table(model).rows.contains_key(id) {
                    return Err(AppError::Exists(id.clone()));
                }
                self.put(model, id, image.clone())
            }
            AppChange::Update { model, id, columns } => match self.table(model).rows.get(id) {
                Some(row) => {
                    let image = with_columns(model, row, columns)?;
                    // The trigger of a plain UPDATE compares: writing what is there is no change.
                    if image == *row {
                        return Ok(());
                    }
                    self.put(model, id, image)
                }
                None => Ok(()),
            },
            AppChange::Upsert { model, id, image } => self.put(model, id, image.clone()),
            AppChange::Replace { model, id, image } => {
                for (_, other) in self.standing_in_the_way(model, id, image) {
                    self.erase(model, &other)?;
                }
                self.put(model, id, image.clone())
            }
            AppChange::Delete { model, id } => self.erase(model, id),
            AppChange::Transaction(changes) => changes.iter().try_for_each(|change| self.execute(change)),
        }
    }

    fn put(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        image: Image,
    ) -> Result<(), AppError> {
        self.check(model, id, &image)
            .map_err(|violation| AppError::Violates {
                id: id.clone(),
                violation,
            })?;
        let old = self.table(model).rows.insert(id.clone(), image);
        let kind = match old {
            Some(_) => CaptureKind::Update,
            None => CaptureKind::Insert,
        };
        self.capture(model, id, kind, old);
        Ok(())
    }

    fn erase(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> Result<(), AppError> {
        if !self.table(model).rows.contains_key(id) {
            return Ok(());
        }
        let cascade = self
            .cascade_of(model, id)
            .map_err(|violation| AppError::Violates {
                id: id.clone(),
                violation,
            })?;
        for child in cascade {
            self.erase_captured(child.model, &child.id);
        }
        self.erase_captured(model, id);
        Ok(())
    }

    /// Deletes a row as a statement does: the triggers see it.
    pub(super) fn erase_captured(&mut self, model: &'static ModelDescriptor, id: &DocumentId) {
        if let Some(old) = self.table(model).rows.remove(id) {
            self.capture(model, id, CaptureKind::Delete, Some(old));
        }
    }
}

fn with_columns(
    model: &'static ModelDescriptor,
    row: &Image,
    columns: &[(&'static str, ColumnValue)],
) -> Result<Image, AppError> {
    let mut image = row.clone();
    for (name, value) in columns {
        let at = model
            .fields()
            .iter()
            .position(|field| field.column() == *name)
            .ok_or(AppError::NoColumn {
                table: model.table(),
                column: name,
            })?;
        image.columns_mut()[at] = value.clone();
    }
    Ok(image)
}
