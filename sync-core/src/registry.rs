//! Collects the adapters and starts the coordinator: [`SyncRegistry`].

mod error;
mod links;
mod names;

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::watch;

pub use self::error::{RegistryError, StartError};
use crate::{
    adapter::{DittoAdapter, Registration, registered},
    clock::Clock,
    config::SyncConfig,
    coordinator::{Coordinator, Setup, SyncHandle},
    descriptor::ModelDescriptor,
    repository::Repository,
    scope::{Context, ContextSource},
    store::DocumentStore,
    value::Value,
};

/// The models to keep in step, and the context that scopes them.
///
/// [`discover`](Self::discover) finds every derived adapter that is linked into the binary; [`with`](Self::with) names them one by one.
#[derive(Clone)]
#[must_use = "a registry does nothing before it is started"]
pub struct SyncRegistry {
    models: Vec<&'static ModelDescriptor>,
    context: Context,
    /// The models that `override_context` names.
    overridden: Vec<&'static ModelDescriptor>,
    config: SyncConfig,
    clock: Option<Arc<dyn Clock>>,
    expected: Option<BTreeSet<String>>,
    /// The first mistake in naming collections; said at start, so that the calls stay a chain.
    unknown: Option<RegistryError>,
}

impl SyncRegistry {
    /// No models yet.
    pub fn new() -> Self {
        Self {
            models: Vec::new(),
            context: Context::default(),
            overridden: Vec::new(),
            config: SyncConfig::default(),
            clock: None,
            expected: None,
            unknown: None,
        }
    }

    /// Every adapter linked into this binary.
    ///
    /// A crate that nobody references contributes nothing to a binary, and so no adapters: let it list its models with
    /// [`models!`](crate::models), and name that list with [`with_all`](Self::with_all).
    ///
    /// # Errors
    /// When two adapters have the same collection or table.
    pub fn discover() -> Result<Self, RegistryError> {
        let mut registry = Self::new();
        registry.models = registered();
        names::check(&registry.models)?;
        Ok(registry)
    }

    /// Adds a model. One that is there already is not added twice.
    pub fn with<T: DittoAdapter>(self) -> Self {
        self.with_all(&[Registration::of::<T>()])
    }

    /// Adds the models that a crate lists with [`models!`](crate::models). Those that are there already are not added twice.
    pub fn with_all(mut self, models: &[Registration]) -> Self {
        for model in models.iter().map(Registration::descriptor) {
            if !self.models.iter().any(|known| std::ptr::eq(*known, model)) {
                self.models.push(model);
            }
        }
        self
    }

    /// Leaves only the models of these collections, of those added so far. So one binary keeps several databases, each with its models.
    ///
    /// A collection that no model has is an error at start.
    pub fn only<C: Into<String>>(self, collections: impl IntoIterator<Item = C>) -> Self {
        let collections = collections.into_iter().map(Into::into).collect();
        self.choose(&collections, true)
    }

    /// Leaves out the models of these collections, of those added so far. A collection that no model has is an error at start.
    pub fn without<C: Into<String>>(self, collections: impl IntoIterator<Item = C>) -> Self {
        let collections = collections.into_iter().map(Into::into).collect();
        self.choose(&collections, false)
    }

    /// Refuses to start with other collections than these: so a model that the linker dropped, or that somebody added, is noticed.
    pub fn expect_collections<C: Into<String>>(mut self, collections: impl IntoIterator<Item = C>) -> Self {
        self.expected = Some(collections.into_iter().map(Into::into).collect());
        self
    }

    /// Gives a parameter of the context its value; it is named as the document field it is compared with. While the coordinator runs
    /// [`set_context`](SyncHandle::set_context) gives it another one.
    pub fn context(self, parameter: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context_from(parameter, value.into())
    }

    /// Takes the value of a parameter from a closure, asked at the start and by [`refresh_context`](SyncHandle::refresh_context).
    ///
    /// While it answers `None` the models that need the parameter wait: they are not observed and not seeded, nothing of them is removed, and what the app writes is
    /// sent all the same. [`CollectionStatus::awaiting_context`](crate::status::CollectionStatus::awaiting_context) names what they wait for.
    pub fn context_with<V: Into<Value>>(
        self,
        parameter: impl Into<String>,
        provider: impl Fn() -> Option<V> + Send + Sync + 'static,
    ) -> Self {
        self.context_from(parameter, ContextSource::provider(provider))
    }

    /// Takes the value of a parameter from a watch channel, followed while the coordinator runs. While it holds `None` models wait, as above.
    pub fn context_watch(
        self,
        parameter: impl Into<String>,
        receiver: watch::Receiver<Option<Value>>,
    ) -> Self {
        self.context_from(parameter, ContextSource::watch(receiver))
    }

    /// Says that the value of a parameter is not known before [`set_context`](SyncHandle::set_context) gives it. Until then models wait, as above.
    pub fn context_later(self, parameter: impl Into<String>) -> Self {
        self.context_from(parameter, ContextSource::unknown())
    }

    /// Gives a parameter another value, or source, for the model `T` alone: for tests, and for models whose field of the same name means something else. It
    /// counts instead of the shared one, for this registry and the coordinator it starts.
    ///
    /// That `T` is not registered, or names no such parameter, is an error at start.
    pub fn override_context<T: DittoAdapter>(
        mut self,
        parameter: impl Into<String>,
        source: impl Into<ContextSource>,
    ) -> Self {
        let model = T::descriptor();
        self.context
            .set(Some(model.collection()), &parameter.into(), source.into());
        self.overridden.push(model);
        self
    }

    /// How the coordinator behaves.
    pub fn config(mut self, config: SyncConfig) -> Self {
        self.config = config;
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The collections of its models.
    #[must_use]
    pub fn collections(&self) -> Vec<&'static str> {
        self.models.iter().map(|model| model.collection()).collect()
    }

    /// Checks the database, installs the capture, and starts a coordinator on the current tokio runtime.
    ///
    /// When this returns every later write of the app is captured; the exchange begins after the startup delay.
    ///
    /// # Errors
    /// When names clash or are not those expected, a context value has no source, is unknown or of another kind than its field, or the database
    /// does not fit the models.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start<R: Repository, S: DocumentStore>(
        self,
        repository: R,
        store: S,
    ) -> Result<SyncHandle, StartError> {
        let setup = self.setup()?;
        let (mut handle, coordinator) = Coordinator::prepare(repository, store, setup).await?;
        handle.own(tokio::spawn(coordinator.run()));
        Ok(handle)
    }

    /// What a [`Coordinator`] needs, for those who run it themselves.
    ///
    /// # Errors
    /// When names clash or are not those expected, or a context value has no source, is unknown or of another kind than its field.
    pub fn setup(self) -> Result<Setup, RegistryError> {
        self.check()?;
        let mut context = self.context;
        context.read();
        let scopes = context.scopes(&self.models)?;
        let mut setup = Setup::new(self.models);
        setup.scopes = scopes;
        setup.context = context;
        setup.config = self.config;
        if let Some(clock) = self.clock {
            setup.clock = clock;
        }
        Ok(setup)
    }

    fn check(&self) -> Result<(), RegistryError> {
        if let Some(unknown) = &self.unknown {
            return Err(unknown.clone());
        }
        if let Some(expected) = &self.expected {
            names::check_expected(&self.models, expected)?;
        }
        let overridden = self.overridden.iter().map(|model| model.collection().to_owned());
        if let Some(unknown) = names::unknown(&self.models, &overridden.collect()) {
            return Err(unknown);
        }
        names::check(&self.models)?;
        links::check(&self.models)
    }

    fn context_from(mut self, parameter: impl Into<String>, source: impl Into<ContextSource>) -> Self {
        self.context.set(None, &parameter.into(), source.into());
        self
    }

    fn choose(mut self, collections: &BTreeSet<String>, chosen: bool) -> Self {
        if self.unknown.is_none() {
            self.unknown = names::unknown(&self.models, collections);
        }
        self.models
            .retain(|model| collections.contains(model.collection()) == chosen);
        self
    }
}

impl Default for SyncRegistry {
    fn default() -> Self {
        Self::new()
    }
}
