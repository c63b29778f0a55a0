//! How far seeding has come.

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    repository::{DraftRequest, DraftRows, SeedState},
};

use super::durable::{Again, Durable, Table};

impl Table {
    /// Rows that no store has met and no trigger has seen, unless nothing can go out of them now.
    pub(super) fn unmet(&self) -> impl Iterator<Item = &DocumentId> {
        self.rows.keys().filter(|id| {
            !self.known.contains_key(*id)
                && !self.outbox.contains_key(*id)
                && !self.kept.contains(*id)
                && !self.is_held_back(id)
        })
    }

    /// Rows that no store has met, and whose documents do not fit in. Once such a document is gone its row is one to seed.
    fn unmet_that_wait(&self) -> impl Iterator<Item = &DocumentId> {
        self.rows.keys().filter(|id| {
            !self.known.contains_key(*id) && !self.outbox.contains_key(*id) && self.waits_inbound(id)
        })
    }
}

impl Durable {
    pub(super) fn seed_states(&self, models: &[&'static ModelDescriptor]) -> Vec<SeedState> {
        let state = |model: &&'static ModelDescriptor| {
            let table = self.tables.get(model.collection());
            let done = table.is_some_and(|table| table.seeded);
            SeedState {
                collection: model.collection(),
                done,
                unmet: table
                    .filter(|_| !done && model.direction().sends() && model.seeds())
                    .map_or(0, |table| table.unmet().count() as u64),
            }
        };
        models.iter().map(state).collect()
    }

    /// Notes which tables have nothing left to seed; whether that is news for one of them.
    pub(super) fn note_seeded(
        &mut self,
        models: &[&'static ModelDescriptor],
        request: DraftRequest<'_>,
    ) -> bool {
        let mut news = false;
        for model in models {
            if request.seeds(model) && !matches!(request.rows, DraftRows::Only(_)) {
                let table = self.table(model);
                let done = table.unmet().next().is_none() && table.unmet_that_wait().next().is_none();
                news |= done && !table.seeded;
                table.seeded |= done;
            }
        }
        news
    }

    pub(super) fn reset_seeding(&mut self, models: &[&'static ModelDescriptor]) -> bool {
        let mut any = false;
        for model in models {
            let table = self.table(model);
            any |= std::mem::take(&mut table.seeded);
            for held in table.held_back.values_mut() {
                held.again = Again::Asked;
            }
        }
        any
    }
}
