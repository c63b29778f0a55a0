//! Tells listeners which rows have changed: [`Listening`], a future beside the engine's, so that a store that takes its time holds no event back.
//!
//! It waits for the repository to name rows, and hands the names to the channels of their models. Without listeners it does nothing at all. Not here:
//! what a listener makes of a name (`streams`).

use std::{collections::HashMap, convert::Infallible, pin::pin, sync::Arc};

use futures_util::future::{Either, pending, select};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    clock::Clock,
    descriptor::ModelDescriptor,
    id::DocumentId,
    limits::{CHANGE_BATCH, CHANGE_BATCHES_KEPT, LISTEN_RETRY},
    live::{ListenError, Origin, Touched},
    repository::{Repository, RepositoryError},
};

/// Rows of one model that have changed.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// How many changes of the model were told before these: who expects another number has missed some.
    pub(super) first: u64,
    pub(super) touches: Arc<[Touch]>,
}

/// A row that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) id: DocumentId,
    pub(super) origin: Origin,
}

/// Someone wants to be told.
pub(super) struct Subscribe {
    pub(super) model: &'static ModelDescriptor,
    pub(super) reply: oneshot::Sender<Result<Subscription, ListenError>>,
}

/// What they get.
pub(super) struct Subscription {
    pub(super) batches: broadcast::Receiver<Batch>,
    /// The number of the next change.
    pub(super) next: u64,
}

/// Tells listeners which rows have changed.
pub(super) struct Listening<R> {
    repository: Arc<R>,
    models: Vec<&'static ModelDescriptor>,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Receiver<Subscribe>,
    channels: HashMap<&'static str, Channel>,
}

struct Channel {
    model: &'static ModelDescriptor,
    batches: broadcast::Sender<Batch>,
    /// Changes told so far.
    told: u64,
}

/// What was waited for.
enum News {
    Subscribe(Option<Subscribe>),
    Heard(Result<Vec<Touched>, RepositoryError>),
}

impl<R: Repository> Listening<R> {
    pub(super) fn new(
        repository: Arc<R>,
        models: &[&'static ModelDescriptor],
        clock: Arc<dyn Clock>,
        inbox: mpsc::Receiver<Subscribe>,
    ) -> Self {
        Self {
            repository,
            models: models.to_vec(),
            clock,
            inbox,
            channels: HashMap::new(),
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            match self.news().await {
                News::Subscribe(Some(subscribe)) => self.subscribe(subscribe).await,
                // The handle is gone, and so is everyone who could ask; those who listen already go on.
                News::Subscribe(None) if self.channels.is_empty() => return pending().await,
                News::Subscribe(None) => self.last().await,
                News::Heard(Ok(touched)) => self.tell(touched).await,
                News::Heard(Err(error)) => {
                    tracing::debug!(%error, "could not look which rows have changed; trying again");
                    self.clock.sleep(LISTEN_RETRY).await;
                }
            }
        }
    }

    async fn news(&mut self) -> News {
        let subscribed = pin!(self.inbox.recv());
        if self.channels.is_empty() {
            return News::Subscribe(subscribed.await);
        }
        match select(subscribed, pin!(self.repository.heard())).await {
            Either::Left((subscribe, _)) => News::Subscribe(subscribe),
            Either::Right((heard, _)) => News::Heard(heard),
        }
    }

    /// Nobody can come any more.
    async fn last(&mut self) {
        match self.repository.heard().await {
            Ok(touched) => self.tell(touched).await,
            Err(_) => self.clock.sleep(LISTEN_RETRY).await,
        }
    }

    async fn subscribe(&mut self, Subscribe { model, reply }: Subscribe) {
        let outcome = self.open(model).await;
        // Whoever gave up waiting listens to nothing.
        let _ = reply.send(outcome);
    }

    async fn open(&mut self, model: &'static ModelDescriptor) -> Result<Subscription, ListenError> {
        if !self.models.iter().any(|known| std::ptr::eq(*known, model)) {
            return Err(ListenError::UnknownModel {
                model: model.type_path(),
            });
        }
        if !self.channels.contains_key(model.collection()) {
            let mut models: Vec<_> = self.channels.values().map(|channel| channel.model).collect();
            models.push(model);
            self.repository
                .listen(&models)
                .await
                .map_err(ListenError::Repository)?;
        }
        let channel = self
            .channels
            .entry(model.collection())
            .or_insert_with(|| Channel {
                model,
                batches: broadcast::Sender::new(CHANGE_BATCHES_KEPT),
                told: 0,
            });
        Ok(Subscription {
            batches: channel.batches.subscribe(),
            next: channel.told,
        })
    }

    async fn tell(&mut self, touched: Vec<Touched>) {
        let mut of_model: HashMap<&'static str, Vec<Touch>> = HashMap::new();
        for Touched {
            collection,
            id,
            origin,
        } in touched
        {
            of_model.entry(collection).or_default().push(Touch { id, origin });
        }
        for (collection, touches) in of_model {
            let Some(channel) = self.channels.get_mut(collection) else {
                continue;
            };
            for touches in touches.chunks(CHANGE_BATCH) {
                let batch = Batch {
                    first: channel.told,
                    touches: touches.into(),
                };
                channel.told += touches.len() as u64;
                // Nobody listens any more: that is noticed below.
                let _ = channel.batches.send(batch);
            }
        }
        self.close_unheard().await;
    }

    /// What nobody listens to costs nothing.
    async fn close_unheard(&mut self) {
        let before = self.channels.len();
        self.channels
            .retain(|_, channel| channel.batches.receiver_count() > 0);
        if self.channels.len() == before {
            return;
        }
        let models: Vec<_> = self.channels.values().map(|channel| channel.model).collect();
        if let Err(error) = self.repository.listen(&models).await {
            tracing::debug!(%error, "could not stop listening to a model; it is told to nobody");
        }
    }
}
