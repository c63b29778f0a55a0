//! Collects the adapters and starts the coordinator: [`SyncRegistry`].

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    adapter::{DittoAdapter, registered},
    clock::Clock,
    config::SyncConfig,
    coordinator::{Coordinator, Setup, SyncHandle},
    descriptor::{ModelDescriptor, Scope},
    error::ErrorKind,
    query::Query,
    repository::{Repository, RepositoryError},
    scope::Scopes,
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
    context: BTreeMap<String, Value>,
    config: SyncConfig,
    clock: Option<Arc<dyn Clock>>,
}

impl SyncRegistry {
    /// No models yet.
    pub fn new() -> Self {
        Self {
            models: Vec::new(),
            context: BTreeMap::new(),
            config: SyncConfig::default(),
            clock: None,
        }
    }

    /// Every adapter linked into this binary.
    ///
    /// A crate that nobody references contributes nothing to a binary, and so no adapters: name its models with [`with`](Self::with).
    ///
    /// # Errors
    /// When two adapters have the same collection or table.
    pub fn discover() -> Result<Self, RegistryError> {
        let mut registry = Self::new();
        registry.models = registered();
        registry.check_names()?;
        Ok(registry)
    }

    /// Adds a model. One that is there already is not added twice.
    pub fn with<T: DittoAdapter>(mut self) -> Self {
        let model = T::descriptor();
        if !self.models.iter().any(|known| std::ptr::eq(*known, model)) {
            self.models.push(model);
        }
        self
    }

    /// Gives a parameter of the context its value; it is named as the document field it is compared with.
    pub fn context(mut self, parameter: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(parameter.into(), value.into());
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
    /// When names clash, a context value is missing or unknown, or the database does not fit the models.
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
    /// When names clash, or a context value is missing or unknown.
    pub fn setup(self) -> Result<Setup, RegistryError> {
        self.check_names()?;
        let scopes = self.scopes()?;
        let mut setup = Setup::new(self.models);
        setup.scopes = scopes;
        setup.config = self.config;
        if let Some(clock) = self.clock {
            setup.clock = clock;
        }
        Ok(setup)
    }

    fn check_names(&self) -> Result<(), RegistryError> {
        if self.models.is_empty() {
            return Err(RegistryError::Empty);
        }
        for (at, model) in self.models.iter().enumerate() {
            for other in &self.models[..at] {
                let (first, second) = (other.type_name(), model.type_name());
                if other.collection() == model.collection() {
                    return Err(RegistryError::Duplicate {
                        what: "collection",
                        name: model.collection(),
                        first,
                        second,
                    });
                }
                if other.table().eq_ignore_ascii_case(model.table()) {
                    return Err(RegistryError::Duplicate {
                        what: "table",
                        name: model.table(),
                        first,
                        second,
                    });
                }
            }
        }
        Ok(())
    }

    fn scopes(&self) -> Result<Scopes, RegistryError> {
        let known = self.parameters();
        if let Some(unknown) = self.context.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(RegistryError::UnknownParameter {
                name: unknown.clone(),
                known: known.join(", "),
            });
        }
        if let Some(missing) = known.iter().find(|name| !self.context.contains_key(**name)) {
            return Err(RegistryError::MissingParameter {
                name: (*missing).to_owned(),
                known: known.join(", "),
            });
        }
        let mut scopes = Scopes::everything();
        for model in &self.models {
            if let Some(query) = self.scope_of(model) {
                scopes.set(model, query);
            }
        }
        Ok(scopes)
    }

    fn scope_of(&self, model: &ModelDescriptor) -> Option<Query> {
        let fields = scope_fields(model);
        let mut query = Query::scope(model)?;
        for field in fields {
            query = query.with(*field, self.context.get(*field).cloned().unwrap_or_default());
        }
        Some(query)
    }

    fn parameters(&self) -> Vec<&'static str> {
        let mut parameters: Vec<_> = self
            .models
            .iter()
            .flat_map(|model| scope_fields(model))
            .copied()
            .collect();
        parameters.sort_unstable();
        parameters.dedup();
        parameters
    }
}

impl Default for SyncRegistry {
    fn default() -> Self {
        Self::new()
    }
}

fn scope_fields(model: &ModelDescriptor) -> &'static [&'static str] {
    match model.scope() {
        Scope::Everything => &[],
        Scope::All(fields) | Scope::Any(fields) => fields,
    }
}

/// Why a registry cannot be started. Always permanent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No model at all.
    #[error(
        "no adapter is registered; derive `DittoAdapter` on a struct that this binary uses, or name the models with `.with::<T>()`"
    )]
    Empty,
    /// Two models have the same collection or table.
    #[error("`{first}` and `{second}` have the same {what} `{name}`; give one of them another")]
    Duplicate {
        /// `collection` or `table`.
        what: &'static str,
        /// The name both have.
        name: &'static str,
        /// One type.
        first: &'static str,
        /// The other type.
        second: &'static str,
    },
    /// A context value that no scope asks for.
    #[error("the context has a value for `{name}`, which no scope names; known are: {known}")]
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Those that the scopes name.
        known: String,
    },
    /// A scope asks for a context value that was not given.
    #[error("the context has no value for `{name}`, which a scope names; needed are: {known}")]
    MissingParameter {
        /// The parameter.
        name: String,
        /// Those that the scopes name.
        known: String,
    },
}

/// Why a coordinator could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The registry is not consistent.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database does not fit.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

impl StartError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Registry(_) => ErrorKind::Permanent,
            Self::Repository(error) => error.kind(),
        }
    }
}
