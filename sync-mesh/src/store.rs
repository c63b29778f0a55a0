//! The store as applications and the coordinator see it: [`MeshStore`].

mod builder;

use std::{net::SocketAddr, sync::Arc};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
    store::{Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreIdentity, WriteOutcome},
};
use iroh::EndpointId;
use tokio::sync::oneshot;

pub use self::builder::MeshBuilder;
use self::builder::as_before;
use crate::{
    disk::is_lost,
    engine::{Command, EngineHandle, Reply},
    interest::Interest,
    limits::INTENT_OPERATIONS_MAX,
    net::{
        Identity, MeshSecret, Network, NetworkError, Peer, Reach, Ticket, decode_addresses, encode_addresses,
    },
    observation::{MeshObservation, decode_cursor, encode_cursor},
};

/// A document store on this device, in step with those of its peers. Clones are handles of one store.
#[derive(Clone)]
pub struct MeshStore {
    engine: EngineHandle,
    /// `None` for a store that meets nobody.
    network: Option<Arc<Network>>,
    mesh: Arc<str>,
}

/// Why a mesh could not be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The ticket is of a mesh of another name.
    #[error("the ticket is of the mesh `{ticket}`, this store belongs to `{store}`")]
    OtherMesh {
        /// The mesh of the ticket.
        ticket: String,
        /// The mesh of this store.
        store: String,
    },
    /// The store has peers that know another secret.
    #[error(
        "this store belongs to another mesh of the same name: its peers know another secret; join with a new directory"
    )]
    OtherSecret,
    /// This store listens nowhere.
    #[error("this store was opened without a network: open it with `listen`")]
    Offline,
    /// The secret could not be saved.
    #[error("the secret of the mesh could not be saved")]
    Store(#[from] StoreError),
}

impl MeshStore {
    /// A store of the mesh of this name. Devices find each other by tickets, not by the name, which only keeps meshes of one device apart.
    pub fn builder(mesh: impl Into<String>) -> MeshBuilder {
        let mesh = mesh.into();
        MeshBuilder {
            directory: format!("{mesh}.mesh").into(),
            mesh,
            listen: None,
            secret: None,
            interest: Interest::everything(),
            reach: Reach::default(),
        }
    }

    /// What another device needs to [`join`](Self::join): print it, paste it, show it as a QR code. Whoever has it can join, until this store itself joins
    /// the mesh of another ticket, which it can as long as it has met nobody.
    ///
    /// # Errors
    /// When the store was opened without a network, or was closed.
    pub async fn ticket(&self) -> Result<Ticket, JoinError> {
        let network = self.network.as_ref().ok_or(JoinError::Offline)?;
        let owner = self.engine.ask(Command::Owner).await?;
        Ok(Ticket {
            mesh: owner.mesh,
            secret: MeshSecret::from_bytes(owner.secret),
            endpoint: network.id(),
            addresses: network.addresses(),
        })
    }

    /// Joins the mesh of a ticket, and keeps up a connection to the device that made it, now and after every start. Returns at once: whether that device is there
    /// shows in [`peers`](Self::peers).
    ///
    /// # Errors
    /// When the ticket is of another mesh, or this store has peers that know another secret.
    pub async fn join(&self, ticket: &Ticket) -> Result<(), JoinError> {
        let network = self.network.as_ref().ok_or(JoinError::Offline)?;
        if *ticket.mesh != *self.mesh {
            return Err(JoinError::OtherMesh {
                ticket: ticket.mesh.clone(),
                store: self.mesh.to_string(),
            });
        }
        let owner = self.engine.ask(Command::Owner).await?;
        let secret = ticket.secret.to_bytes();
        if owner.secret != secret && owner.shared {
            return Err(JoinError::OtherSecret);
        }
        self.adopt(&ticket.secret).await?;
        network.change_secret(ticket.secret.clone());
        let addresses = encode_addresses(&ticket.addresses);
        let remember = Command::Remember(*ticket.endpoint.as_bytes(), addresses);
        self.engine
            .commands
            .send(remember)
            .await
            .map_err(|_| StoreError::Closed)?;
        network.seek(ticket.endpoint, &ticket.addresses);
        Ok(())
    }

    /// Drops the history of changes that every device has confirmed to hold which was met within the last
    /// [30 days](crate::limits::TRIM_HORIZON); a device that was away for longer gets a snapshot when it returns, and keeps what it wrote meanwhile. Returns the
    /// collections that became smaller.
    ///
    /// Nothing is dropped while a device that is known and takes it has never confirmed anything, nor of what nobody else takes.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn trim_history(&self) -> Result<Vec<String>, StoreError> {
        self.engine.ask(Command::Trim).await
    }

    /// Takes this of peers from now on, as [`MeshBuilder::interest`] says: for an app that changes over to another branch. Returns when it counts; what is new comes from peers then.
    ///
    /// It lasts until the store is closed: the next one is opened with its own.
    ///
    /// # Errors
    /// When the store was closed.
    pub async fn set_interest(&self, interest: Interest) -> Result<(), StoreError> {
        self.engine.ask(|reply| Command::Interest(interest, reply)).await
    }

    /// The public key of this device, under which others [allow](MeshBuilder::allow) it. `None` for a store without a network.
    #[must_use]
    pub fn id(&self) -> Option<EndpointId> {
        self.network.as_ref().map(|network| network.id())
    }

    /// Where this device listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let network = self.network.as_ref();
        network.map(|network| network.addresses()).unwrap_or_default()
    }

    /// Keeps up a connection to a device at these addresses, as [`join`](Self::join) does, without a ticket: both know the secret of the mesh already, or
    /// [allow](MeshBuilder::allow) each other.
    ///
    /// # Errors
    /// When the store was opened without a network, or was closed.
    pub async fn connect(&self, device: EndpointId, addresses: &[SocketAddr]) -> Result<(), JoinError> {
        let network = self.network.as_ref().ok_or(JoinError::Offline)?;
        let remember = Command::Remember(*device.as_bytes(), encode_addresses(addresses));
        self.engine
            .commands
            .send(remember)
            .await
            .map_err(|_| StoreError::Closed)?;
        network.seek(device, addresses);
        Ok(())
    }

    /// The devices that are known: where they are, which of them are connected, and how far they are.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.network
            .as_ref()
            .map(|network| network.peers())
            .unwrap_or_default()
    }

    /// Says goodbye to all peers, and releases the directory. Every other call fails from then on. Its port
    /// is free when all handles are dropped.
    pub async fn close(&self) {
        if let Some(network) = &self.network {
            network.close().await;
        }
        let (reply, closed) = oneshot::channel();
        // When it is closed already there is nothing to wait for.
        if self.engine.commands.send(Command::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Listens, and looks for the devices that were met before; this one is among them, where it listened.
    async fn listen(
        &self,
        identity: Identity,
        devices: &[([u8; 32], Vec<u8>)],
    ) -> Result<Network, NetworkError> {
        let own = identity.public();
        let before = devices.iter().find(|(device, _)| device == own.as_bytes());
        let before = before.map(|(_, addresses)| decode_addresses(addresses));
        let again = Identity {
            listen: as_before(&identity.listen, before.as_deref().unwrap_or_default()),
            ..identity.clone()
        };
        let network = match Network::open(again, self.engine.clone()).await {
            Ok(network) => network,
            // Somebody else has the port meanwhile.
            Err(_) => Network::open(identity, self.engine.clone()).await?,
        };
        let addresses = encode_addresses(&network.addresses());
        // Best effort: another port is only found later.
        let _ = self
            .engine
            .commands
            .send(Command::Remember(*own.as_bytes(), addresses))
            .await;
        for (device, addresses) in devices {
            if let Ok(device) = EndpointId::from_bytes(device) {
                network.seek(device, &decode_addresses(addresses));
            }
        }
        Ok(network)
    }

    async fn adopt(&self, secret: &MeshSecret) -> Result<(), StoreError> {
        let secret = secret.to_bytes();
        self.engine
            .ask(|reply| Command::ChangeSecret(secret, reply))
            .await
    }

    #[cfg(test)]
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
            ids: ids.into_iter().collect(),
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
                .filter(|position| *position <= newest && !is_lost(&self.engine.gaps, *position))
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

    async fn confirmed(&self, batch: BatchId) -> Result<Option<bool>, StoreError> {
        let confirmed = self.engine.ask(|reply| Command::Confirmed(batch, reply)).await?;
        Ok(Some(confirmed))
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        let frontier = frontier.clone();
        let covers = self.engine.ask(|reply| Command::Covers(frontier, reply)).await?;
        Ok(Some(covers))
    }
}
