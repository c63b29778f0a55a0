//! Which models are observed, and from when on: what the app chooses, and what [`InitialFetch`] says of the first time.
//!
//! Not here: observing and reconciling themselves (`startup_phase`).

use super::{SyncError, SyncHandle, engine::Engine, models::ModelError, models::ModelRequest, queue::Chunk};
use crate::{
    adapter::DittoAdapter,
    config::InitialFetch,
    id::IdList,
    limits::{FORGET_ROWS, PASSED_CHANGES_MAX},
    query::Query,
    repository::{Mark, Repository, RowRef},
    store::{Cursor, DocumentStore},
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

/// A running observation, and how far it has come beyond what is durable.
pub(super) struct Running<O> {
    pub(super) observation: O,
    /// Up to here nothing had to be looked at, and so many changes are in between.
    passed: Option<(Cursor, usize)>,
}

impl<O> Running<O> {
    pub(super) fn new(observation: O) -> Self {
        Self {
            observation,
            passed: None,
        }
    }

    /// The observation has come up to `cursor`. Gives it back when it is to be made durable: with what has to be looked at before it; and where nothing has to be (`agreed` changes
    /// that were all known), only when a resume would meet too many of them again.
    fn reach(&mut self, cursor: Cursor, agreed: Option<usize>) -> Option<Cursor> {
        let before = self.passed.take().map_or(0, |(_, count)| count);
        match agreed {
            Some(count) if before + count <= PASSED_CHANGES_MAX => {
                self.passed = Some((cursor, before + count));
                None
            }
            _ => Some(cursor),
        }
    }

    /// Up to where it has come without a durable cursor.
    fn take_passed(&mut self) -> Option<Cursor> {
        self.passed.take().map(|(cursor, _)| cursor)
    }
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

    /// The observation of a model has come up to `cursor`, with so many changes that were all known. Gives it back when it is to be made durable; that is a transaction of its own, so it waits while
    /// there is an older cursor from which a resume does not take much longer.
    pub(super) fn reach(&mut self, model: usize, cursor: Cursor, agreed: Option<usize>) -> Option<Cursor> {
        let agreed = agreed.filter(|_| self.state.models[model].cursor.is_some());
        match &mut self.observations[model] {
            Some(running) => running.reach(cursor, agreed),
            None => Some(cursor),
        }
    }

    /// Takes out the cursors that need not be made durable now, behind a chunk of which all was known.
    pub(super) fn put_off_cursors(&mut self, chunk: &Chunk, marks: &mut Vec<Mark>) {
        if !marks.iter().all(|mark| matches!(mark, Mark::Cursor(_, Some(_)))) {
            return;
        }
        marks.retain_mut(|mark| {
            let Mark::Cursor(collection, Some(cursor)) = mark else {
                return true;
            };
            let Some(model) = self.position(collection) else {
                return true;
            };
            let of_model = chunk.ids.iter().find(|(position, _)| *position == model);
            let known = of_model.map_or(0, |(_, ids)| ids.len());
            self.reach(model, cursor.clone(), Some(known)).is_some()
        });
    }

    /// The cursors that are not durable yet, to be made so by a transaction that is made anyway. Should that fail, a resume reports again what was known.
    pub(super) fn passed_cursors(&mut self) -> Vec<Mark> {
        let models = self.setup.models.iter().zip(&mut self.observations);
        let passed = models.filter_map(|(model, running)| {
            let cursor = running.as_mut()?.take_passed()?;
            Some(Mark::Cursor(model.collection(), Some(cursor)))
        });
        passed.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(at: u8) -> Cursor {
        Cursor(vec![at])
    }

    #[test]
    fn a_cursor_behind_known_changes_waits_for_a_transaction_and_not_for_ever() {
        let mut running = Running::new(());
        assert_eq!(running.reach(cursor(1), Some(1)), None);
        assert_eq!(running.reach(cursor(2), Some(PASSED_CHANGES_MAX - 1)), None);
        assert_eq!(
            running.reach(cursor(3), Some(1)),
            Some(cursor(3)),
            "that is too many"
        );
        assert_eq!(running.reach(cursor(4), Some(1)), None, "it counts anew");
        assert_eq!(running.take_passed(), Some(cursor(4)));
        assert_eq!(running.take_passed(), None);
        assert_eq!(running.reach(cursor(5), Some(1)), None);
        assert_eq!(
            running.reach(cursor(6), None),
            Some(cursor(6)),
            "with what is looked at"
        );
        assert_eq!(running.take_passed(), None, "it is behind");
    }
}
