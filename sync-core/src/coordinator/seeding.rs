//! Seeding: at the start, on request, and how far it has come.
//!
//! Which rows are still to be seeded is durable in the repository, so a crash costs nothing but the count. Not here: which rows those are, and drafting them (the repository);
//! what a store does with a seed.

use super::{
    SyncError, SyncHandle,
    engine::Engine,
    models::{ModelError, ModelRequest, Reply},
};
use crate::{
    adapter::DittoAdapter,
    intent::{Action, Intent},
    quarantine::QuarantineRecord,
    repository::{Repository, SeedState, Way},
    seeding::{SeedFailure, SeedReport, SeededCollection},
    store::DocumentStore,
};

/// Seedings under way.
#[derive(Default)]
pub(super) struct Seeding {
    /// Since it has begun, the state in the repository was asked for.
    is_open: bool,
    asked: Vec<(Vec<usize>, Reply<SeedReport>)>,
    jobs: Vec<Job>,
}

/// One seeding.
struct Job {
    tallies: Vec<Tally>,
    /// `None`: nobody asked, it is that of the start.
    reply: Option<Reply<SeedReport>>,
}

/// How far one model has come.
struct Tally {
    model: usize,
    already: bool,
    rows: u64,
    sent: u64,
}

impl Seeding {
    pub(super) fn ask(&mut self, models: Vec<usize>, reply: Reply<SeedReport>) {
        self.asked.push((models, reply));
    }

    /// Store or database may be another one: that of the start is looked at anew.
    pub(super) fn restart(&mut self) {
        self.is_open = false;
        self.jobs.retain(|job| job.reply.is_some());
    }

    fn has(&self, model: usize) -> bool {
        let mut tallies = self.jobs.iter().flat_map(|job| &job.tallies);
        tallies.any(|tally| tally.model == model)
    }
}

impl SyncHandle {
    /// Sends the rows of every model that no store has met and no trigger has seen: those that were there before the framework. Below every real write, and only
    /// where the store has no such document; where it has one, the row takes it. Returns when all of them are sent, adopted or in quarantine, with the counts;
    /// [`SyncEvent::Seeding`](crate::status::SyncEvent::Seeding) tells the progress.
    ///
    /// This is what every start does by itself, unless told not to by [`SyncConfig::seeding`](crate::config::SyncConfig::seeding): then call it when
    /// the time has come. A model is seeded once per database: how far it has come is durable, a crash or a shutdown on the way is made up for, and when it is
    /// done, [`already_seeded`](SeededCollection::already_seeded) is all that is reported, until [`reset_seed_state`](Self::reset_seed_state). Models that
    /// declare `seed = false`, or are receive-only, are left out.
    ///
    /// Begins after the first comparison with the store; waits while the store is away, the coordinator paused, or a value of the context missing. Cancelled, it may still happen.
    ///
    /// # Errors
    /// When the database fails, or the coordinator has stopped. A row that cannot be sent is no error.
    pub async fn seed_all(&self) -> Result<SeedReport, ModelError> {
        self.ask_about_models(|reply| ModelRequest::Seed(None, reply))
            .await
    }

    /// The same for one model.
    ///
    /// # Errors
    /// Those of [`seed_collection`](Self::seed_collection).
    pub async fn seed_model<T: DittoAdapter>(&self) -> Result<SeedReport, ModelError> {
        self.seed_collection(T::descriptor().collection()).await
    }

    /// The same for one collection.
    ///
    /// # Errors
    /// When no model has the collection, it is receive-only, declares `seed = false`, or was unregistered; those of [`seed_all`](Self::seed_all).
    pub async fn seed_collection(&self, collection: &str) -> Result<SeedReport, ModelError> {
        let collection = collection.to_owned();
        self.ask_about_models(|reply| ModelRequest::Seed(Some(collection), reply))
            .await
    }

    /// Forgets that models were seeded: their tables are looked through again, by the coordinator itself or the next [`seed_all`](Self::seed_all), for rows that no
    /// store has met (imported with triggers off, say), and rows that could not be sent are tried once more. Rows that have agreed with their documents
    /// are left alone.
    ///
    /// # Errors
    /// When the database fails, or the coordinator is paused or has stopped.
    pub async fn reset_seed_state(&self) -> Result<(), ModelError> {
        self.ask_about_models(ModelRequest::ResetSeeding).await
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    pub(super) fn seedable(&self, collection: Option<&str>) -> Result<Vec<usize>, ModelError> {
        let Some(collection) = collection else {
            let models = 0..self.setup.models.len();
            return Ok(models.filter(|model| self.may_seed(*model)).collect());
        };
        let position = self.registered(collection)?;
        let model = self.model(position);
        let collection = model.collection();
        if !model.direction().sends() {
            return Err(ModelError::ReceiveOnly { collection });
        }
        if !model.seeds() {
            return Err(ModelError::NotSeeded { collection });
        }
        Ok(vec![position])
    }

    fn may_seed(&self, position: usize) -> bool {
        let model = self.model(position);
        model.direction().sends() && model.seeds() && !self.observing.is_unregistered(position)
    }

    /// The collections whose rows are to be seeded by the next draft.
    pub(super) fn seeds(&self) -> Vec<&'static str> {
        if !self.reconciled {
            return Vec::new();
        }
        let wanted = |position: &usize| {
            self.may_seed(*position) && (self.setup.config.seeds() || self.seeding.has(*position))
        };
        let models = (0..self.setup.models.len()).filter(wanted);
        models.map(|position| self.model(position).collection()).collect()
    }

    /// Begins the seeding of the start, once, and those that were asked for.
    pub(super) async fn open_seedings(&mut self) -> Result<(), SyncError> {
        if !self.reconciled || (self.seeding.is_open && self.seeding.asked.is_empty()) {
            return Ok(());
        }
        let states = self.repository.seeding().await?;
        if !std::mem::replace(&mut self.seeding.is_open, true) && self.setup.config.seeds() {
            let models = (0..self.setup.models.len())
                .filter(|model| self.may_seed(*model) && states.get(*model).is_some_and(|state| !state.done));
            let tallies: Vec<_> = models.map(|model| tally(&states, model)).collect();
            if !tallies.is_empty() {
                self.seeding.jobs.push(Job { tallies, reply: None });
            }
        }
        for (models, reply) in std::mem::take(&mut self.seeding.asked) {
            let tallies = models.into_iter().map(|model| tally(&states, model)).collect();
            let reply = Some(reply);
            self.seeding.jobs.push(Job { tallies, reply });
            self.local = true;
        }
        Ok(())
    }

    /// The store has taken these.
    pub(super) fn count_seeds(&mut self, intent: &Intent) {
        for tally in self.seeding.jobs.iter_mut().flat_map(|job| &mut job.tallies) {
            let collection = self.setup.models[tally.model].collection();
            let mut operations = intent.operations.iter();
            let is_seed = |operation: &&crate::intent::Operation| {
                operation.model.collection() == collection && matches!(operation.action, Action::Seed(_))
            };
            let sent = operations.by_ref().filter(is_seed).count() as u64;
            if sent > 0 {
                tally.sent += sent;
                // A changed row that was never agreed on is seeded too, with what it was before, and was not counted.
                tally.rows = tally.rows.max(tally.sent);
                self.reporter.seeding(collection, tally.sent, tally.rows);
            }
        }
    }

    /// Nothing is left to do: reports what is complete.
    pub(super) async fn close_seedings(&mut self) -> Result<(), SyncError> {
        if self.seeding.jobs.is_empty() {
            return Ok(());
        }
        let states = self.repository.seeding().await?;
        let is_done = |tally: &Tally| {
            states.get(tally.model).is_some_and(|state| state.done)
                || self.observing.is_unregistered(tally.model)
        };
        let (done, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.seeding.jobs)
            .into_iter()
            .partition(|job| job.tallies.iter().all(is_done));
        self.seeding.jobs = rest;
        if done.is_empty() {
            return Ok(());
        }
        let quarantine = self.repository.quarantine().await?;
        for job in done {
            let collections = job.tallies.iter().map(|tally| self.report_of(tally, &quarantine));
            let report = SeedReport {
                collections: collections.collect(),
            };
            tracing::info!(
                sent = report.sent(),
                complete = report.is_complete(),
                "rows were seeded"
            );
            if let Some(reply) = job.reply {
                // Whoever gave up waiting needs no answer.
                let _ = reply.send(Ok(report));
            }
        }
        Ok(())
    }

    fn report_of(&self, tally: &Tally, quarantine: &[QuarantineRecord]) -> SeededCollection {
        let collection = self.model(tally.model).collection();
        let held = quarantine
            .iter()
            .filter(|record| record.way == Way::Outbound && record.model.collection() == collection);
        let failed: Vec<_> = held
            .map(|record| SeedFailure {
                id: record.id.clone(),
                reason: record.reason.to_string(),
            })
            .collect();
        SeededCollection {
            collection,
            already_seeded: tally.already,
            rows: tally.rows,
            sent: tally.sent,
            adopted: tally.rows.saturating_sub(tally.sent + failed.len() as u64),
            failed,
        }
    }

    pub(super) async fn serve_resets(&mut self) {
        if self.model_requests.resets.is_empty() {
            return;
        }
        let outcome = self.repository.reset_seeding(&self.setup.models).await;
        let mut replies = std::mem::take(&mut self.model_requests.resets);
        if outcome.is_ok() {
            self.seeding.restart();
            self.local = true;
        }
        // An error is told once; the others hear it when they ask again. Whoever gave up waiting needs no answer.
        let last = replies.pop();
        if outcome.is_ok() {
            for reply in replies {
                let _ = reply.send(Ok(()));
            }
        } else {
            self.model_requests.resets = replies;
        }
        if let Some(last) = last {
            let _ = last.send(outcome.map_err(Into::into));
        }
    }
}

fn tally(states: &[SeedState], model: usize) -> Tally {
    let state = states.get(model);
    Tally {
        model,
        already: state.is_some_and(|state| state.done),
        rows: state.map_or(0, |state| state.unmet),
        sent: 0,
    }
}
