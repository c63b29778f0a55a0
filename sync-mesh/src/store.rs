//! The store as applications and the coordinator see it: [`MeshStore`].

use std::path::{Path, PathBuf};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Intent, ReplicaId},
    query::Query,
    store::{Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreIdentity, WriteOutcome},
};
use tokio::sync::oneshot;

use crate::{
    engine::{self, Command, EngineHandle, Reply},
    error::OpenError,
    limits::INTENT_OPERATIONS_MAX,
    observation::{MeshObservation, decode_cursor, encode_cursor},
};

/// The file inside of the store's directory.
const FILE: &str = "mesh.sqlite";

/// A document store on this device, in step with those of its peers. Clones are handles of one store.
#[derive(Clone)]
pub struct MeshStore {
    engine: EngineHandle,
}

/// Where a mesh store lives.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before the store is opened"]
pub struct MeshBuilder {
    directory: PathBuf,
}

impl MeshBuilder {
    /// Opens the store, or makes it where there is none.
    ///
    /// # Errors
    /// When the directory cannot be made, another store has it open, or what it holds cannot be read.
    pub async fn open(self) -> Result<MeshStore, OpenError> {
        tokio::fs::create_dir_all(&self.directory)
            .await
            .map_err(OpenError::Directory)?;
        let engine = engine::start(self.directory.join(FILE)).await?;
        Ok(MeshStore { engine })
    }
}

impl MeshStore {
    /// A store in this directory, which belongs to it alone.
    pub fn at(directory: impl AsRef<Path>) -> MeshBuilder {
        MeshBuilder {
            directory: directory.as_ref().to_owned(),
        }
    }

    /// Ends all connections, and releases the directory. Every other call fails from then on.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        // When it is closed already there is nothing to wait for.
        if self.engine.commands.send(Command::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }

    pub(crate) fn engine(&self) -> &EngineHandle {
        &self.engine
    }
}

impl EngineHandle {
    /// Asks, and waits for the answer. A command that was sent is carried out even if nobody waits any more.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl DocumentStore for MeshStore {
    type Observation = MeshObservation;

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(INTENT_OPERATIONS_MAX)
            .with_cursor()
            .with_frontier()
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        self.engine.ask(|reply| Command::Identity(replica, reply)).await
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let intent = intent.clone();
        self.engine.ask(|reply| Command::Write(intent, reply)).await
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let ids = ids.to_vec();
        self.engine.ask(|reply| Command::Fetch(model, ids, reply)).await
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        let query = query.clone();
        let (ids, position) = self
            .engine
            .ask(|reply| Command::Scan(model, query, reply))
            .await?;
        Ok(Scan {
            ids,
            cursor: Some(encode_cursor(&self.engine.store, position)),
        })
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<MeshObservation, StoreError> {
        let newest = *self.engine.position.borrow();
        let position = match cursor {
            Some(cursor) => decode_cursor(&self.engine.store, cursor)
                .filter(|position| *position <= newest)
                .ok_or(StoreError::CursorLost)?,
            None => newest,
        };
        Ok(MeshObservation::new(
            self.engine.clone(),
            model,
            query.clone(),
            position,
        ))
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        let frontier = frontier.clone();
        let covers = self.engine.ask(|reply| Command::Covers(frontier, reply)).await?;
        Ok(Some(covers))
    }
}
