//! Compares one model with the store on request, and reports what came of it.
//!
//! Not here: the comparison (`startup_phase`), which every start makes too.

use super::{
    SyncError, SyncHandle,
    engine::Engine,
    models::{ModelError, ModelRequest, Reply},
};
use crate::{
    adapter::DittoAdapter,
    repository::{Applied, InboundItem, Repository},
    store::DocumentStore,
};

/// What a hydration did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HydrationReport {
    /// The collection.
    pub collection: &'static str,
    /// Documents and rows that were compared.
    pub compared: u64,
    /// Rows written or deleted because of their documents.
    pub applied: u64,
    /// Concurrent changes that met.
    pub conflicts: u64,
    /// Documents that wait for another row.
    pub parked: u64,
    /// Documents that do not fit.
    pub quarantined: u64,
}

/// Hydrations asked for.
#[derive(Default)]
pub(super) struct Hydrating {
    hydrations: Vec<Hydration>,
}

struct Hydration {
    model: usize,
    reply: Reply<HydrationReport>,
    /// `None`: it has not begun.
    report: Option<HydrationReport>,
}

impl Hydrating {
    pub(super) fn ask(&mut self, model: usize, reply: Reply<HydrationReport>) {
        self.hydrations.push(Hydration {
            model,
            reply,
            report: None,
        });
    }

    /// What was looked at is forgotten: they begin anew.
    pub(super) fn restart(&mut self) {
        for hydration in &mut self.hydrations {
            hydration.report = None;
        }
    }

    /// The model is exchanged no more.
    pub(super) fn give_up(&mut self, model: usize, collection: &'static str) {
        let gone = self
            .hydrations
            .extract_if(.., |hydration| hydration.model == model);
        for hydration in gone {
            // Whoever gave up waiting needs no answer.
            let _ = hydration.reply.send(Err(ModelError::Unregistered { collection }));
        }
    }

    /// Documents of this collection are what their rows agreed on.
    pub(super) fn compared(&mut self, collection: &str, count: u64) {
        let reports = self
            .hydrations
            .iter_mut()
            .filter_map(|hydration| hydration.report.as_mut());
        for report in reports.filter(|report| report.collection == collection) {
            report.compared += count;
        }
    }

    /// Counts what a batch did.
    pub(super) fn count(&mut self, items: &[InboundItem], applied: &Applied) {
        for report in self
            .hydrations
            .iter_mut()
            .filter_map(|hydration| hydration.report.as_mut())
        {
            let of = |collections: &mut dyn Iterator<Item = &'static str>| {
                collections
                    .filter(|collection| *collection == report.collection)
                    .count() as u64
            };
            report.compared += of(&mut items.iter().map(|item| item.model.collection()));
            report.applied += of(&mut applied.changed.iter().map(|row| row.model.collection()));
            report.conflicts += of(&mut applied.conflicts.iter().map(|conflict| conflict.collection));
            report.parked += of(&mut applied.parked.iter().map(|row| row.model.collection()));
            report.quarantined += of(&mut applied.quarantined.iter().map(|record| record.model.collection()));
        }
    }
}

impl SyncHandle {
    /// Compares this model with the store now: see [`hydrate_collection`](Self::hydrate_collection).
    ///
    /// # Errors
    /// When the model is not registered, send-only, or was unregistered; when the coordinator has stopped.
    pub async fn hydrate<T: DittoAdapter>(&self) -> Result<HydrationReport, ModelError> {
        self.hydrate_collection(T::descriptor().collection()).await
    }

    /// Compares this collection with the store now, all of it, and applies what differs, as a start does; also where it is not
    /// [observed](Self::observe_only). Returns when that is done, with the counts. While the store is away, the coordinator paused, or a value of the
    /// context missing, it waits.
    ///
    /// Local changes that are not sent yet are merged, never overwritten. Cancelled, it may still happen.
    ///
    /// # Errors
    /// When no model has the collection, it is send-only, or was unregistered; when the coordinator has stopped.
    pub async fn hydrate_collection(&self, collection: &str) -> Result<HydrationReport, ModelError> {
        let collection = collection.to_owned();
        self.ask_about_models(|reply| ModelRequest::Hydrate(collection, reply))
            .await
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    pub(super) fn hydratable(&self, collection: &str) -> Result<usize, ModelError> {
        let position = self.registered(collection)?;
        let model = self.model(position);
        if !model.direction().receives() {
            let collection = model.collection();
            return Err(ModelError::SendOnly { collection });
        }
        Ok(position)
    }

    /// Begins what was asked for, and reports what is done.
    pub(super) async fn hydrate(&mut self) -> Result<(), SyncError> {
        for at in 0..self.hydrating.hydrations.len() {
            let hydration = &self.hydrating.hydrations[at];
            if hydration.report.is_some() || hydration.reply.is_closed() {
                continue;
            }
            let model = hydration.model;
            let Some(scope) = self.setup.scopes.query(self.model(model)) else {
                continue;
            };
            self.reconcile(model, scope, None).await?;
            let report = HydrationReport {
                collection: self.model(model).collection(),
                compared: 0,
                applied: 0,
                conflicts: 0,
                parked: 0,
                quarantined: 0,
            };
            self.hydrating.hydrations[at].report = Some(report);
        }
        let Self {
            hydrating, queues, ..
        } = self;
        let done = hydrating.hydrations.extract_if(.., |hydration| {
            hydration.reply.is_closed() || (hydration.report.is_some() && queues.is_idle(hydration.model))
        });
        for hydration in done {
            if let Some(report) = hydration.report {
                // Whoever gave up waiting needs no answer.
                let _ = hydration.reply.send(Ok(report));
            }
        }
        Ok(())
    }
}
