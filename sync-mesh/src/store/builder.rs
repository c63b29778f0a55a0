//! How a store is opened: [`MeshBuilder`].

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use iroh::{EndpointId, RelayUrlParseError};

use super::MeshStore;
use crate::{
    engine,
    error::OpenError,
    interest::Interest,
    net::{Identity, MeshSecret, Reach},
};

/// Longest name that is told to others, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The file inside of the store's directory.
const FILE: &str = "mesh.sqlite";

/// Where a mesh store lives, and how others reach it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before the store is opened"]
pub struct MeshBuilder {
    pub(super) mesh: String,
    pub(super) directory: PathBuf,
    pub(super) listen: Option<Vec<SocketAddr>>,
    pub(super) secret: Option<MeshSecret>,
    pub(super) interest: Interest,
    pub(super) reach: Reach,
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
    /// from a [`Ticket`](crate::Ticket).
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
    /// Short for an [`interest`](Self::interest) that names collections and nothing else.
    pub fn collections(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter();
        self.interest(names.fold(Interest::nothing(), Interest::collection))
    }

    /// Takes only this of peers: whole collections, or partitions of them, as the rows of one branch. By default everything, so that every device can hand on everything.
    /// [`MeshStore::set_interest`] changes it while the store is open. A device that takes part of a mesh should know one that takes all of it, as a hub does: what it writes for others reaches them
    /// through devices that take it.
    ///
    /// What was taken before and is not named here is dropped as soon as a peer that takes it holds all of it. This saves room and traffic; it is **no access
    /// control**: whoever belongs to the mesh can ask for everything.
    pub fn interest(mut self, interest: Interest) -> Self {
        self.interest = interest;
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

    /// Announces this device in the local network by multicast DNS, and finds others of the mesh that do so: without a ticket, a fixed port or a common directory. Needs the feature
    /// `mdns`. Only who knows the secret, or is [allowed](Self::allow), is looked for, so hand out the [secret](Self::secret), or a ticket once.
    ///
    /// Everybody in the network sees that there is such a device, its public key, its addresses, and which others belong to the same mesh; nothing of the secret or the data.
    #[cfg(feature = "mdns")]
    pub fn mdns(mut self) -> Self {
        self.reach.multicast = true;
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
        store
            .set_interest(self.interest)
            .await
            .map_err(OpenError::Interest)?;
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
pub(super) fn as_before(listen: &[SocketAddr], before: &[SocketAddr]) -> Vec<SocketAddr> {
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
