//! The values that scopes and filters ask for: [`Context`] reads them from their sources and makes the scopes of them.
//!
//! Not here: when a running coordinator reads them again (`coordinator::scoping`).

use std::collections::{BTreeMap, BTreeSet};

use super::{ContextSource, ModelScope, Scopes};
use crate::{
    descriptor::ModelDescriptor,
    error::ErrorKind,
    field::FieldKind,
    query::{Filter, Operand, Query},
    value::Value,
};

/// Where the values come from, and what they were when last read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    sources: BTreeMap<Key, ContextSource>,
    values: BTreeMap<Key, Option<Value>>,
}

/// Whose value: all models', or that of one, and the name of the parameter.
type Key = (Option<&'static str>, String);

/// Why a context does not fit the models.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A value that no scope and no filter asks for.
    #[error("the context has a value for `{name}`, which no scope and no filter names; known are: {known}")]
    UnknownParameter {
        /// The parameter.
        name: String,
        /// Those that scopes and filters name.
        known: String,
    },
    /// A scope or a filter asks for a value, and the context has nowhere to take it from.
    #[error(
        "the context has no value for `{name}`, which a scope or a filter names; needed are: {known}. \
         Give `.context(..)` one, or say with `.context_later(..)` that it comes later"
    )]
    MissingParameter {
        /// The parameter.
        name: String,
        /// Those that scopes and filters name.
        known: String,
    },
    /// A value is of another kind than the field it is compared with, so that it would match nothing.
    #[error(
        "the context has {found} for `{name}`, which `{model}` compares with its field `{field}` ({kind:?})"
    )]
    ParameterKind {
        /// The parameter.
        name: String,
        /// What it holds.
        found: &'static str,
        /// The type of the model, with its module.
        model: String,
        /// The document name of the field.
        field: String,
        /// What the field holds.
        kind: FieldKind,
    },
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

impl ContextError {
    /// Always permanent.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Permanent
    }
}

impl Context {
    /// Where the value of `parameter` comes from, for `collection` alone or for all; read when [`read`](Self::read) is called next.
    pub(crate) fn set(&mut self, collection: Option<&'static str>, parameter: &str, source: ContextSource) {
        self.sources.insert((collection, parameter.to_owned()), source);
    }

    /// Reads all sources.
    pub(crate) fn read(&mut self) {
        self.values = self
            .sources
            .iter_mut()
            .map(|(key, source)| (key.clone(), source.read()))
            .collect();
    }

    /// Reads the shared source of one parameter.
    pub(crate) fn read_parameter(&mut self, parameter: &str) {
        let key = (None, parameter.to_owned());
        if let Some(source) = self.sources.get_mut(&key) {
            self.values.insert(key, source.read());
        }
    }

    /// Reads the sources that are followed, one by one: a value that does not fit the models is left out, so that it holds no other up.
    pub(crate) fn follow(&mut self, models: &[&'static ModelDescriptor]) -> Vec<ContextError> {
        let followed = self.sources.iter().filter(|(_, source)| source.is_followed());
        let keys: Vec<Key> = followed.map(|(key, _)| key.clone()).collect();
        let mut refused = Vec::new();
        for key in keys {
            let Some(source) = self.sources.get_mut(&key) else {
                continue;
            };
            let value = source.read();
            let before = self.values.insert(key.clone(), value);
            if let Err(error) = self.scopes(models) {
                refused.push(error);
                self.values.insert(key, before.flatten());
            }
        }
        refused
    }

    /// Returns when a value that is followed may be another one.
    ///
    /// Cancellation safe.
    pub(crate) async fn changed(&mut self) {
        let followed = self.sources.values_mut().filter(|source| source.is_followed());
        let changes: Vec<_> = followed.map(|source| Box::pin(source.changed())).collect();
        if changes.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(changes).await;
    }

    /// Whether any value is followed.
    pub(crate) fn is_followed(&self) -> bool {
        self.sources.values().any(ContextSource::is_followed)
    }

    /// What belongs on this device: the scope and the filter of each model, with the values read last.
    ///
    /// # Errors
    /// When a value has no source, or is unknown to the models, or of another kind than a field it is compared with. The last would match nothing, and a
    /// device that nothing belongs to loses its rows.
    pub(crate) fn scopes(&self, models: &[&'static ModelDescriptor]) -> Result<Scopes, ContextError> {
        let queries: Vec<(&'static ModelDescriptor, Query)> = models
            .iter()
            .filter_map(|model| Some((*model, Query::scope(model)?)))
            .collect();
        self.check_names(&queries)?;
        let mut scopes = Scopes::everything();
        for (model, query) in queries {
            if let Some(filter) = query.filter() {
                self.check_kinds(model, filter)?;
            }
            scopes.put(model, self.scope(model, query));
        }
        Ok(scopes)
    }

    fn scope(&self, model: &ModelDescriptor, mut query: Query) -> ModelScope {
        let parameters: Vec<String> = query.missing_parameters().into_iter().map(Into::into).collect();
        let mut awaited = Vec::new();
        for name in parameters {
            match self.value(model, &name) {
                Some(Some(value)) => query = query.with(name, value.clone()),
                _ => awaited.push(name),
            }
        }
        if awaited.is_empty() {
            ModelScope::Matching(query)
        } else {
            ModelScope::Awaiting(awaited)
        }
    }

    /// The value that counts for a model; `None`: nobody gives one.
    fn value(&self, model: &ModelDescriptor, name: &str) -> Option<&Option<Value>> {
        let own = (Some(model.collection()), name.to_owned());
        let shared = (None, own.1.clone());
        self.values.get(&own).or_else(|| self.values.get(&shared))
    }

    /// Every parameter has a source, and every source a parameter.
    fn check_names(&self, queries: &[(&'static ModelDescriptor, Query)]) -> Result<(), ContextError> {
        let known = |of: Option<&str>| -> BTreeSet<&str> {
            let concerned = queries
                .iter()
                .filter(|(model, _)| of.is_none_or(|of| of == model.collection()));
            concerned
                .flat_map(|(_, query)| query.missing_parameters())
                .collect()
        };
        for (collection, name) in self.values.keys() {
            let known = known(*collection);
            if !known.contains(name.as_str()) {
                return Err(ContextError::UnknownParameter {
                    name: name.clone(),
                    known: listed(&known),
                });
            }
        }
        for (model, query) in queries {
            let mut missing = query.missing_parameters().into_iter();
            if let Some(name) = missing.find(|name| self.value(model, name).is_none()) {
                return Err(ContextError::MissingParameter {
                    name: name.to_owned(),
                    known: listed(&known(None)),
                });
            }
        }
        Ok(())
    }

    /// Every parameter is comparable with the fields it is compared with.
    fn check_kinds(&self, model: &ModelDescriptor, filter: &Filter) -> Result<(), ContextError> {
        let (name, operands) = match filter {
            Filter::Compare(name, _, operand) => (name, std::slice::from_ref(operand)),
            Filter::In(name, operands) => (name, operands.as_slice()),
            Filter::IsNull(_) => return Ok(()),
            Filter::And(parts) | Filter::Or(parts) => {
                return parts.iter().try_for_each(|part| self.check_kinds(model, part));
            }
            Filter::Not(part) => return self.check_kinds(model, part),
        };
        let mut fields = model.id_fields().iter().chain(model.fields());
        let Some(field) = fields.find(|field| field.document_name() == name.as_str()) else {
            return Ok(());
        };
        let wrong = operands.iter().find_map(|operand| match operand {
            Operand::Parameter(name) => {
                let value = self.value(model, name)?.as_ref()?;
                (!is_comparable(field.kind(), value)).then_some((name, value))
            }
            Operand::Literal(_) => None,
        });
        match wrong {
            None => Ok(()),
            Some((parameter, value)) => Err(ContextError::ParameterKind {
                name: parameter.clone(),
                found: value.kind_name(),
                model: model.type_path(),
                field: name.to_string(),
                kind: field.kind(),
            }),
        }
    }
}

/// Whether a field of this kind may hold what equals `value`. Null equals nothing.
fn is_comparable(kind: FieldKind, value: &Value) -> bool {
    match kind {
        FieldKind::Bool => matches!(value, Value::Bool(_)),
        FieldKind::Int | FieldKind::Float => matches!(value, Value::Int(_) | Value::Float(_)),
        FieldKind::Text => matches!(value, Value::Text(_)),
        FieldKind::Bytes => matches!(value, Value::Bytes(_)),
        FieldKind::Json | FieldKind::Any => !value.is_null(),
    }
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
