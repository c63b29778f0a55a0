//! What the app asks about whole models: [`ModelRequest`], and why that may fail.
//!
//! Not here: what is done about it (`observing`, `hydrating`, `seeding`, `notifying`).

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{SyncHandle, engine::Engine, handle::Command, hydrating::HydrationReport, notifying::Notice};
use crate::{
    repository::{Repository, RepositoryError},
    seeding::SeedReport,
    store::DocumentStore,
};

/// Why something about a model could not be done. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No model has this collection.
    #[error("no registered model has the collection `{collection}`; registered are: {known}")]
    UnknownCollection {
        /// What was asked for.
        collection: String,
        /// What there is.
        known: String,
    },
    /// The model is not observed, so there is nothing to take in.
    #[error("`{collection}` takes nothing in, because its direction is send_only")]
    SendOnly {
        /// The collection.
        collection: &'static str,
    },
    /// The model is only observed, so there is nothing to send.
    #[error("`{collection}` sends nothing, because its direction is receive_only")]
    ReceiveOnly {
        /// The collection.
        collection: &'static str,
    },
    /// The model declares that its rows are not seeded.
    #[error("`{collection}` is not seeded, because it declares `seed = false`")]
    NotSeeded {
        /// The collection.
        collection: &'static str,
    },
    /// The model was unregistered.
    #[error("`{collection}` was unregistered; start again to exchange it")]
    Unregistered {
        /// The collection.
        collection: &'static str,
    },
    /// The database failed.
    #[error("the database failed")]
    Repository(#[from] RepositoryError),
    /// The coordinator is paused and has released the database.
    #[error("the coordinator is paused; resume it first")]
    Paused,
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, ModelError>>;

/// A question or an order about models.
pub(super) enum ModelRequest {
    /// `None`: all.
    Observe(Option<Vec<String>>, Reply<()>),
    Unregister(String, Reply<()>),
    Hydrate(String, Reply<HydrationReport>),
    /// `None`: all.
    Seed(Option<String>, Reply<SeedReport>),
    ResetSeeding(Reply<()>),
    Notify(Notice),
}

/// What needs the database, and waits for its turn.
#[derive(Default)]
pub(super) struct ModelRequests {
    pub(super) resets: Vec<Reply<()>>,
    pub(super) notices: VecDeque<Notice>,
}

impl SyncHandle {
    pub(super) async fn ask_about_models<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> ModelRequest,
    ) -> Result<T, ModelError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Models(request(reply)))
            .await
            .map_err(|()| ModelError::Stopped)?;
        answer.await.map_err(|_| ModelError::Stopped)?
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Does what can be done at once, and notes the rest.
    pub(super) fn take_model_request(&mut self, request: ModelRequest) {
        // Whoever gave up waiting needs no answer.
        match request {
            ModelRequest::Observe(collections, reply) => {
                let outcome = self.choose_observed(collections.as_deref());
                let _ = reply.send(outcome);
            }
            ModelRequest::Unregister(collection, reply) => {
                let outcome = self.position_of(&collection);
                let _ = reply.send(outcome.map(|position| self.unregister(position)));
            }
            ModelRequest::Hydrate(collection, reply) => match self.hydratable(&collection) {
                Ok(position) => self.hydrating.ask(position, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            ModelRequest::Seed(collection, reply) => match self.seedable(collection.as_deref()) {
                Ok(positions) => self.seeding.ask(positions, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            ModelRequest::ResetSeeding(reply) => self.model_requests.resets.push(reply),
            ModelRequest::Notify(notice) => self.model_requests.notices.push_back(notice),
        }
    }

    /// Serves what needs the database.
    pub(super) async fn serve_models(&mut self) {
        self.serve_resets().await;
        self.serve_notices().await;
    }

    /// Answers what needs the database while that is released.
    pub(super) fn refuse_model_requests(&mut self) {
        for reply in self.model_requests.resets.drain(..) {
            let _ = reply.send(Err(ModelError::Paused));
        }
        for notice in self.model_requests.notices.drain(..) {
            let _ = notice.reply.send(Err(ModelError::Paused));
        }
    }

    /// The model of this collection.
    pub(super) fn position_of(&self, collection: &str) -> Result<usize, ModelError> {
        self.position(collection)
            .ok_or_else(|| ModelError::UnknownCollection {
                collection: collection.to_owned(),
                known: self
                    .setup
                    .models
                    .iter()
                    .map(|model| model.collection())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// The same, unless it was unregistered.
    pub(super) fn registered(&self, collection: &str) -> Result<usize, ModelError> {
        let position = self.position_of(collection)?;
        if self.observing.is_unregistered(position) {
            let collection = self.model(position).collection();
            return Err(ModelError::Unregistered { collection });
        }
        Ok(position)
    }
}
