//! How devices of a mesh reach each other: an iroh endpoint that listens, and a task for each device that is known. See [`Network`].
//!
//! QUIC with TLS 1.3 under public keys; no relay, no discovery service, and no multicast unless it is asked for. Not here: what is said once two devices trust each other (`exchange`).

mod book;
mod connection;
mod frames;
pub(crate) mod fuzzing;
mod handshake;
#[cfg(feature = "mdns")]
mod multicast;
mod rendezvous;
mod secret;
mod ticket;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, RelayUrl, SecretKey, TransportAddr,
    endpoint::{Incoming, QuicTransportConfig, VarInt, presets},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::connection::{decode_addresses, encode_addresses};
#[cfg(feature = "mdns")]
use self::multicast::Multicast;
use self::{
    book::Book,
    connection::{ALPN, serve},
    handshake::Introduction,
    secret::End,
};
pub use self::{
    book::Peer,
    frames::FramingError,
    handshake::HandshakeError,
    secret::MeshSecret,
    ticket::{Ticket, TicketError},
};
use crate::{
    engine::EngineHandle,
    limits::{CONNECT_TIME, DIAL_PAUSE_FIRST, DIAL_PAUSE_LAST, IDLE_TIME, KEEP_ALIVE},
};

/// Why the network could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The address cannot be listened on.
    #[error("{address} could not be listened on: is it of this machine, and free?")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: ditto_sync_core::error::Source,
    },
    /// The endpoint could not be made.
    #[error("the endpoint of the mesh could not be made")]
    Bind(#[source] ditto_sync_core::error::Source),
    /// Multicast is not to be had.
    #[cfg(feature = "mdns")]
    #[error("this device could not be announced in the local network: does it allow multicast?")]
    Multicast(#[source] ditto_sync_core::error::Source),
}

/// The connections of one store. Dropping it ends them without a goodbye; [`close`](Self::close) says it.
pub(crate) struct Network {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

/// What every connection needs.
pub(crate) struct Shared {
    endpoint: Endpoint,
    engine: EngineHandle,
    introduction: RwLock<Introduction>,
    reach: Reach,
    book: Book,
    stop: CancellationToken,
}

/// Where and as whom to listen.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) key: [u8; 32],
    pub(crate) secret: MeshSecret,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) reach: Reach,
}

/// Who is let in beside those who know the secret, and where others are looked for beside their addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    /// What the owner calls this device.
    pub(crate) name: Option<String>,
    /// These devices and no others, whether they know the secret or not.
    pub(crate) allowed: Option<BTreeSet<EndpointId>>,
    /// Servers that help where there is no direct way.
    pub(crate) relays: Vec<RelayUrl>,
    /// Where processes on this machine look for each other.
    pub(crate) rendezvous: Option<PathBuf>,
    /// Whether devices of the local network are looked for.
    #[cfg(feature = "mdns")]
    pub(crate) multicast: bool,
}

impl Identity {
    pub(crate) fn public(&self) -> EndpointId {
        SecretKey::from_bytes(&self.key).public()
    }
}

impl Network {
    /// Listens, and from now on looks for the devices of the book.
    pub(crate) async fn open(identity: Identity, engine: EngineHandle) -> Result<Self, NetworkError> {
        let mut builder = Endpoint::builder(presets::Minimal)
            .relay_mode(relay_mode(&identity.reach.relays))
            .secret_key(SecretKey::from_bytes(&identity.key))
            .alpns(vec![ALPN.to_vec()])
            .transport_config(transport())
            .clear_ip_transports();
        for address in identity.listen {
            builder = builder.bind_addr(address).map_err(|error| NetworkError::Listen {
                address,
                source: error.into(),
            })?;
        }
        let endpoint = builder
            .bind()
            .await
            .map_err(|error| NetworkError::Bind(error.into()))?;
        #[cfg(feature = "mdns")]
        let multicast = identity.reach.multicast;
        #[cfg(feature = "mdns")]
        let multicast = multicast
            .then(|| Multicast::start(&endpoint, &identity.secret))
            .transpose()?;
        let introduction = Introduction {
            secret: identity.secret,
            trusted: false,
            name: identity.reach.name.clone(),
            store: engine.store.to_string(),
            addresses: addresses(&endpoint),
        };
        let network = Self {
            shared: Arc::new(Shared {
                endpoint,
                engine,
                introduction: RwLock::new(introduction),
                reach: identity.reach,
                book: Book::default(),
                stop: CancellationToken::new(),
            }),
            tasks: TaskTracker::new(),
        };
        network.listen();
        network.meet();
        #[cfg(feature = "mdns")]
        if let Some(multicast) = multicast {
            network.listen_to(multicast);
        }
        Ok(network)
    }

    /// Shows this secret from now on, in connections to come.
    pub(crate) fn change_secret(&self, secret: MeshSecret) {
        #[cfg(feature = "mdns")]
        if self.shared.reach.multicast {
            multicast::announce(&self.shared.endpoint, &secret);
        }
        let mut introduction = self
            .shared
            .introduction
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        introduction.secret = secret;
    }

    pub(crate) fn id(&self) -> EndpointId {
        self.shared.endpoint.id()
    }

    /// Where others reach this device.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.shared.endpoint)
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.shared.book.peers(&self.shared.engine.presence)
    }

    /// Keeps up a connection to this device from now on.
    pub(crate) fn seek(&self, peer: EndpointId, addresses: &[SocketAddr]) {
        keep_up(&self.shared, &self.tasks, peer, addresses);
    }

    /// Looks for other processes on this machine, if it is to.
    fn meet(&self) {
        let Some(directory) = self.shared.reach.rendezvous.clone() else {
            return;
        };
        let (shared, tasks) = (Arc::clone(&self.shared), self.tasks.clone());
        let stop = shared.stop.clone();
        self.tasks.spawn(async move {
            let found = |peer, addresses: &[SocketAddr]| keep_up(&shared, &tasks, peer, addresses);
            stop.run_until_cancelled(rendezvous::meet(&shared, &directory, found))
                .await;
            rendezvous::leave(&directory, shared.endpoint.id()).await;
        });
    }

    fn listen(&self) {
        let (shared, tasks) = (Arc::clone(&self.shared), self.tasks.clone());
        let stop = shared.stop.clone();
        self.tasks.spawn(async move {
            let accepting = async {
                while let Some(incoming) = shared.endpoint.accept().await {
                    let (shared, stop) = (Arc::clone(&shared), shared.stop.clone());
                    tasks.spawn(async move { stop.run_until_cancelled(accept(&shared, incoming)).await });
                }
            };
            stop.run_until_cancelled(accepting).await
        });
    }

    /// Says goodbye to all peers, so that they do not have to wait for a time-out, and ends all tasks.
    pub(crate) async fn close(&self) {
        self.shared.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.shared.endpoint.close().await;
    }
}

/// A task for the device, unless there is one.
fn keep_up(shared: &Arc<Shared>, tasks: &TaskTracker, peer: EndpointId, addresses: &[SocketAddr]) {
    if peer != shared.endpoint.id() && shared.book.add(peer, addresses) {
        let shared = Arc::clone(shared);
        let stop = shared.stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(seek(&shared, peer)).await });
    }
}

fn relay_mode(relays: &[RelayUrl]) -> RelayMode {
    if relays.is_empty() {
        return RelayMode::Disabled;
    }
    RelayMode::custom(relays.iter().cloned())
}

impl Shared {
    /// The device is on the list of those that are allowed.
    fn is_listed(&self, peer: EndpointId) -> bool {
        let allowed = self.reach.allowed.as_ref();
        allowed.is_some_and(|allowed| allowed.contains(&peer))
    }

    /// The device is on no list, and there is one.
    fn is_barred(&self, peer: EndpointId) -> bool {
        self.reach.allowed.is_some() && !self.is_listed(peer)
    }

    fn introduction(&self) -> Introduction {
        self.introduction
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn accept(shared: &Shared, incoming: Incoming) {
    let connection = match incoming.accept() {
        Ok(accepting) => tokio::time::timeout(CONNECT_TIME, accepting).await,
        Err(error) => {
            tracing::debug!(%error, "somebody did not get as far as a connection");
            return;
        }
    };
    match connection {
        Ok(Ok(connection)) => serve(shared, &connection, End::Listener).await,
        Ok(Err(error)) => tracing::debug!(%error, "somebody did not get as far as a connection"),
        Err(_) => tracing::debug!("somebody did not get as far as a connection in time"),
    }
}

/// Dials whenever there is no connection, with growing pauses.
async fn seek(shared: &Shared, peer: EndpointId) {
    let mut pause = DIAL_PAUSE_FIRST;
    loop {
        shared.book.disconnected(peer).await;
        if dial(shared, peer).await {
            pause = DIAL_PAUSE_FIRST;
        } else {
            pause = (pause * 2).min(DIAL_PAUSE_LAST);
        }
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
            () = shared.book.news(peer) => pause = DIAL_PAUSE_FIRST,
        }
    }
}

/// One attempt, and the connection that comes of it, until its end. Whether there was one.
async fn dial(shared: &Shared, peer: EndpointId) -> bool {
    let addresses = shared.book.addresses(peer).into_iter().map(TransportAddr::Ip);
    // Every device of a mesh is given the same relays.
    let relays = shared.reach.relays.iter().cloned().map(TransportAddr::Relay);
    let address = EndpointAddr::from_parts(peer, addresses.chain(relays));
    match tokio::time::timeout(CONNECT_TIME, shared.endpoint.connect(address, ALPN)).await {
        Ok(Ok(connection)) => {
            serve(shared, &connection, End::Dialer).await;
            true
        }
        Ok(Err(error)) => {
            tracing::debug!(peer = %peer.fmt_short(), %error, "a peer could not be reached");
            false
        }
        Err(_) => {
            tracing::debug!(peer = %peer.fmt_short(), "a peer did not answer in time");
            false
        }
    }
}

/// A peer that is gone is noticed soon, and one that is back is not taken for gone.
fn transport() -> QuicTransportConfig {
    let idle = VarInt::from_u32(u32::try_from(IDLE_TIME.as_millis()).unwrap_or(u32::MAX));
    QuicTransportConfig::builder()
        .max_idle_timeout(Some(idle.into()))
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_max_idle_timeout(IDLE_TIME)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .build()
}

/// The addresses that are bound; for a wildcard, those of the machine, with loopback for other processes on it.
fn addresses(endpoint: &Endpoint) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for bound in endpoint.bound_sockets() {
        if bound.ip().is_unspecified() {
            let loopback: std::net::IpAddr = match bound {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            addresses.push((loopback, bound.port()).into());
        } else {
            addresses.push(bound);
        }
    }
    addresses.extend(endpoint.addr().ip_addrs());
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses
}

/// How long the other side may take to read the reason of a refusal.
const GOODBYE_TIME: Duration = Duration::from_secs(1);
