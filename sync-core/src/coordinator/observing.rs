//! Which models are observed, and from when on: what the app chooses, and what [`InitialFetch`] says of the first time.
//!
//! Not here: observing and reconciling themselves (`startup_phase`).

use super::{SyncError, SyncHandle, engine::Engine, models::ModelError, models::ModelRequest};
use crate::{
    adapter::DittoAdapter,
    config::InitialFetch,
    id::IdList,
    limits::FORGET_ROWS,
    query::Query,
    repository::{Mark, Repository, RowRef},
    store::DocumentStore,
};

/// Which models are observed, and from when on; by position of the model.
pub(super) struct Observing {
    /// The initial fetch is over.
    fetched: Vec<bool>,
    /// The scope for which the cursor is complete since the start, though nothing before it was applied.
    based: Vec<Option<Query>>,
    /// The app has chosen others.
    ignored: Vec<bool>,
    unregistered: Vec<&'static str>,
    is_unregistered: Vec<bool>,
}

impl Observing {
    pub(super) fn new(models: usize) -> Self {
        Self {
            fetched: vec![false; models],
            based: vec![None; models],
            ignored: vec![false; models],
            unregistered: Vec::new(),
            is_unregistered: vec![false; models],
        }
    }

    pub(super) fn is_unregistered(&self, model: usize) -> bool {
        self.is_unregistered[model]
    }

    /// The collections that are not exchanged.
    pub(super) fn unregistered(&self) -> &[&'static str] {
        &self.unregistered
    }

    /// The initial fetch of a model is over.
    pub(super) fn fetched(&mut self, model: usize) {
        self.fetched[model] = true;
    }

    /// The next comparison is a complete one.
    pub(super) fn lose_base(&mut self, model: usize) {
        self.based[model] = None;
    }

    /// Whether a cursor is good for this scope, although the model has never been compared completely.
    pub(super) fn is_based(&self, model: usize, scope: &Query) -> bool {
        self.based[model].as_ref() == Some(scope)
    }
}

impl SyncHandle {
    /// Observes these collections and no others: changes of the others stay in the store, until [`observe_all`](Self::observe_all) or another choice, or the
    /// next start, and nothing of them is lost. What the app changes is sent all the same; a row that meets another change on its way out is merged. May be
    /// called while paused, so that an app that [starts paused](crate::config::SyncConfig::start_paused) begins with a few collections and
    /// takes the others later. A collection that is not observed changes over to another scope when it is observed again.
    ///
    /// # Errors
    /// When no model has one of the collections; then nothing has changed. When the coordinator has stopped.
    pub async fn observe_only<C: Into<String>>(
        &self,
        collections: impl IntoIterator<Item = C>,
    ) -> Result<(), ModelError> {
        let collections = collections.into_iter().map(Into::into).collect();
        self.ask_about_models(|reply| ModelRequest::Observe(Some(collections), reply))
            .await
    }

    /// Observes every collection again: what changed in the store meanwhile comes in.
    ///
    /// # Errors
    /// When the coordinator has stopped.
    pub async fn observe_all(&self) -> Result<(), ModelError> {
        self.ask_about_models(|reply| ModelRequest::Observe(None, reply))
            .await
    }

    /// Stops exchanging this model, both ways, until the next start: see [`unregister_collection`](Self::unregister_collection).
    ///
    /// # Errors
    /// When the model is not registered, or the coordinator has stopped.
    pub async fn unregister<T: DittoAdapter>(&self) -> Result<(), ModelError> {
        self.unregister_collection(T::descriptor().collection()).await
    }

    /// Stops exchanging this collection, both ways, until the next start. Changes of its rows go on being captured and are sent then, so nothing is
    /// lost; [`settled`](Self::settled) does not wait for them. A write that is under way ends as it ends.
    ///
    /// # Errors
    /// When no model has the collection, or the coordinator has stopped.
    pub async fn unregister_collection(&self, collection: &str) -> Result<(), ModelError> {
        let collection = collection.to_owned();
        self.ask_about_models(|reply| ModelRequest::Unregister(collection, reply))
            .await
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Whether the changes of this model are wanted.
    pub(super) fn is_observed(&self, model: usize) -> bool {
        let observing = &self.observing;
        self.model(model).direction().receives()
            && !observing.ignored[model]
            && !observing.is_unregistered[model]
    }

    /// What happens with what the store holds already, when a model is observed now.
    pub(super) fn fetch_of(&self, model: usize) -> InitialFetch {
        let first = !self.observing.fetched[model];
        match self.setup.config.initial_fetch_value() {
            InitialFetch::All if first => InitialFetch::All,
            InitialFetch::Skip if first && !self.model(model).hydrates_on_startup() => InitialFetch::Skip,
            _ => InitialFetch::Reconcile,
        }
    }

    /// Observes a model from now on, whatever the store holds. Where the store has cursors, later observations go on from here.
    pub(super) async fn observe_from_now(
        &mut self,
        model: usize,
        scope: &Query,
    ) -> Result<S::Observation, SyncError> {
        // The first start that does not skip makes up for it.
        self.forget_reconcile(model).await?;
        let descriptor = self.model(model);
        let mut cursor = None;
        if self.store.capabilities().cursor {
            cursor = self.store.scan(descriptor, scope).await?.cursor;
        }
        let observation = self.store.observe(descriptor, scope, cursor.as_ref()).await?;
        self.observing.based[model] = cursor.is_some().then(|| scope.clone());
        self.mark_cursor(model, cursor);
        Ok(observation)
    }

    /// The next comparison is a complete one, also after a crash.
    pub(super) async fn forget_reconcile(&mut self, model: usize) -> Result<(), SyncError> {
        self.observing.lose_base(model);
        if self.state.models[model].reconciled.is_some() {
            let collection = self.model(model).collection();
            self.repository
                .mark(&[Mark::Reconciled(collection, None)])
                .await?;
            self.state.models[model].reconciled = None;
        }
        Ok(())
    }

    /// Forgets what these documents agreed on with their rows, so that each of them is applied.
    pub(super) async fn forget_agreements(&mut self, model: usize, ids: &IdList) -> Result<(), SyncError> {
        let model = self.model(model);
        let mut ids = ids.iter().map(|id| RowRef { model, id }).peekable();
        while ids.peek().is_some() {
            let rows: Vec<_> = ids.by_ref().take(FORGET_ROWS).collect();
            self.repository.forget(&rows).await?;
        }
        Ok(())
    }

    pub(super) fn choose_observed(&mut self, collections: Option<&[String]>) -> Result<(), ModelError> {
        let mut ignored = vec![collections.is_some(); self.setup.models.len()];
        for collection in collections.unwrap_or_default() {
            ignored[self.position_of(collection)?] = false;
        }
        for (model, ignored) in ignored.iter().enumerate() {
            if *ignored {
                self.observations[model] = None;
                self.stay(model);
            }
        }
        self.observing.ignored = ignored;
        Ok(())
    }

    pub(super) fn unregister(&mut self, model: usize) {
        if std::mem::replace(&mut self.observing.is_unregistered[model], true) {
            return;
        }
        let collection = self.model(model).collection();
        self.observing.unregistered.push(collection);
        self.observations[model] = None;
        self.stay(model);
        self.queues.mute(model);
        self.suspects.forget_model(collection);
        self.strays.forget_model(collection);
        self.hydrating.give_up(model, collection);
        self.local = true;
    }
}
