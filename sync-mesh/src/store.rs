//! The store as applications and the coordinator see it: [`MeshStore`].

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
    store::{Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreIdentity, WriteOutcome},
};
use iroh::{EndpointId, RelayUrlParseError};
use tokio::sync::oneshot;

use crate::{
    disk::is_lost,
    engine::{self, Command, EngineHandle, Reply},
    error::OpenError,
    limits::INTENT_OPERATIONS_MAX,
    net::{
        Identity, MeshSecret, Network, NetworkError, Peer, Reach, Ticket, decode_addresses, encode_addresses,
    },
    observation::{MeshObservation, decode_cursor, encode_cursor},
};

/// Longest name that is told to others, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The file inside of the store's directory.
const FILE: &str = "mesh.sqlite";

/// A document store on this device, in step with those of its peers. Clones are handles of one store.
#[derive(Clone)]
pub struct MeshStore {
    engine: EngineHandle,
    /// `None` for a store that meets nobody.
    network: Option<Arc<Network>>,
    mesh: Arc<str>,
}

/// Where a mesh store lives, and how others reach it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before the store is opened"]
pub struct MeshBuilder {
    mesh: String,
    directory: PathBuf,
    listen: Option<Vec<SocketAddr>>,
    secret: Option<MeshSecret>,
    collections: Option<BTreeSet<String>>,
    reach: Reach,
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

impl MeshBuilder {
    /// Where the store lives: a directory that belongs to it alone. `<name of the mesh>.mesh` in the current directory by default.
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        directory.as_ref().clone_into(&mut self.directory);
        self
    }

    /// Listens on this address and no other. Call it again for more. By default on all addresses of the machine.
    ///
    /// A port of 0 is a free one the first time, and the same one from then on, if it is free.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.get_or_insert_default().push(address);
        self
    }

    /// Meets nobody: for one device alone, and for tests.
    pub fn offline(mut self) -> Self {
        self.listen = Some(Vec::new());
        self
    }

    /// The secret that all devices of the mesh know, for those who hand it out themselves. Without it the first device makes one, and the others take it
    /// from a [`Ticket`].
    pub fn secret(mut self, secret: MeshSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// What this device is called in the [`peers`](MeshStore::peers) of others. At most 64 bytes of it are told.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name: String = name.into();
        let end = (0..=NAME_BYTES_MAX.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end));
        self.reach.name = Some(name[..end.unwrap_or(0)].to_owned());
        self
    }

    /// Takes only these collections of peers; by default all of them, so that every device can hand on everything. Own writes to others are sent, too.
    ///
    /// A collection that was taken before and is not named here is dropped as soon as a peer holds all of it. This saves room and traffic; it is **no access
    /// control**: whoever belongs to the mesh can ask for everything.
    pub fn collections(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.collections = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Lets in this device by its public key ([`MeshStore::id`]), and from then on only those that were named so, whether they know the secret of the mesh or
    /// not: the alternative to handing out one secret. Both devices have to name each other, or know one secret. Call it again for more.
    pub fn allow(mut self, device: EndpointId) -> Self {
        self.reach.allowed.get_or_insert_default().insert(device);
        self
    }

    /// Reaches devices through this relay where there is no direct way. Give all devices of the mesh the same. Without one nothing leaves the networks that the
    /// devices are in.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn relay(mut self, url: &str) -> Result<Self, RelayUrlParseError> {
        self.reach.relays.push(url.parse()?);
        Ok(self)
    }

    /// Finds other stores of the mesh on this machine by files in this directory, which all of them are given. Only who knows the secret, or is
    /// [allowed](Self::allow), is looked for. For several processes on one machine, without a ticket or a fixed port.
    pub fn rendezvous(mut self, directory: impl AsRef<Path>) -> Self {
        self.reach.rendezvous = Some(directory.as_ref().to_owned());
        self
    }

    /// Opens the store, or makes it where there is none, listens, and looks for the peers it knows.
    ///
    /// # Errors
    /// When the directory cannot be made, another store has it open, it belongs to another mesh, what it holds cannot be read, or an address cannot be listened on.
    pub async fn open(self) -> Result<MeshStore, OpenError> {
        make_private(&self.directory)
            .await
            .map_err(OpenError::Directory)?;
        let (engine, known) = engine::start(self.directory.join(FILE), self.mesh.clone()).await?;
        let mut store = MeshStore {
            engine,
            network: None,
            mesh: self.mesh.into(),
        };
        if let Some(collections) = self.collections {
            let interest = |reply| Command::Interest(Some(collections), reply);
            store.engine.ask(interest).await.map_err(OpenError::Interest)?;
        }
        let everywhere = || {
            vec![
                (Ipv4Addr::UNSPECIFIED, 0).into(),
                (Ipv6Addr::UNSPECIFIED, 0).into(),
            ]
        };
        let listen = self.listen.unwrap_or_else(everywhere);
        let secret = match self.secret {
            Some(given) if given.to_bytes() == known.owner.secret => given,
            Some(_) if known.owner.shared => {
                store.close().await;
                return Err(OpenError::OtherSecret);
            }
            Some(given) => {
                store.adopt(&given).await.map_err(OpenError::Secret)?;
                given
            }
            None => MeshSecret::from_bytes(known.owner.secret),
        };
        if !listen.is_empty() {
            let identity = Identity {
                key: known.owner.key,
                secret,
                listen,
                reach: self.reach,
            };
            match store.listen(identity, &known.devices).await {
                Ok(network) => store.network = Some(Arc::new(network)),
                Err(error) => {
                    store.close().await;
                    return Err(error.into());
                }
            }
        }
        Ok(store)
    }
}

/// The addresses with the ports of the last time, where any port will do: devices that are all off over night find each other in the morning by that.
fn as_before(listen: &[SocketAddr], before: &[SocketAddr]) -> Vec<SocketAddr> {
    let address = |wanted: &SocketAddr| {
        let port = before
            .iter()
            .find(|other| other.is_ipv4() == wanted.is_ipv4())
            .filter(|_| wanted.port() == 0)
            .map_or(wanted.port(), SocketAddr::port);
        SocketAddr::new(wanted.ip(), port)
    };
    listen.iter().map(address).collect()
}

/// Only the owner may look into it: it holds keys.
async fn make_private(directory: &Path) -> std::io::Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        tokio::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).await?;
    }
    Ok(())
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
            collections: None,
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
    /// Nothing is dropped while a device that is known has never confirmed anything.
    ///
    /// # Errors
    /// When the file fails.
    pub async fn trim_history(&self) -> Result<Vec<String>, StoreError> {
        self.engine.ask(Command::Trim).await
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
