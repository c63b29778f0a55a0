//! A running observation of a mesh store, and its cursor.

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    query::Query,
    store::{ChangeBatch, Cursor, Observation, StoreError},
};

use tokio::sync::oneshot;

use crate::{
    engine::{Command, EngineHandle},
    replica::News,
};

/// The changes of the documents that match a query. Dropping it ends it.
pub struct MeshObservation {
    engine: EngineHandle,
    model: &'static ModelDescriptor,
    query: Query,
    /// Up to where changes have been reported.
    position: u64,
    /// What was asked and not answered yet. Kept over cancellations: the engine reads many rows for an answer, and whoever asks again and again, as the coordinator does
    /// between two steps, must not make it read them each time.
    asked: Option<oneshot::Receiver<Result<News, StoreError>>>,
}

impl MeshObservation {
    pub(crate) fn new(
        engine: EngineHandle,
        model: &'static ModelDescriptor,
        query: Query,
        position: u64,
    ) -> Self {
        Self {
            engine,
            model,
            query,
            position,
            asked: None,
        }
    }

    /// The answer to what was asked, or is asked now. Cancellation safe.
    async fn news(&mut self) -> Result<News, StoreError> {
        let asked = match &mut self.asked {
            Some(asked) => asked,
            none => {
                let room = self.engine.commands.reserve().await;
                let (reply, asked) = oneshot::channel();
                let command = Command::Changes(self.model, self.query.clone(), self.position, reply);
                room.map_err(|_| StoreError::Closed)?.send(command);
                none.insert(asked)
            }
        };
        let news = asked.await;
        self.asked = None;
        news.map_err(|_| StoreError::Closed)?
    }
}

impl Observation for MeshObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        loop {
            let position = self.position;
            self.engine
                .position
                .wait_for(|newest| *newest > position)
                .await
                .map_err(|_| StoreError::Closed)?;
            let news = self.news().await?;
            // No await comes after this: what is taken here is returned.
            self.position = news.reached;
            if !news.changes.is_empty() {
                return Ok(ChangeBatch {
                    changes: news.changes,
                    cursor: Some(encode_cursor(&self.engine.store, news.reached)),
                    rescan: false,
                    overwritten: news.overwritten,
                });
            }
        }
    }
}

/// A position in the changes of this life of the store.
pub(crate) fn encode_cursor(store: &str, position: u64) -> Cursor {
    let mut bytes = position.to_le_bytes().to_vec();
    bytes.extend_from_slice(store.as_bytes());
    Cursor(bytes)
}

/// The position, if the cursor is of this life of the store.
pub(crate) fn decode_cursor(store: &str, cursor: &Cursor) -> Option<u64> {
    let (position, name) = cursor.0.split_first_chunk::<8>()?;
    (name == store.as_bytes()).then(|| u64::from_le_bytes(*position))
}
