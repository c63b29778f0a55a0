//! The embedded mesh of ditto-sync: a document store without a server and without a license, on Loro and iroh.
//!
//! [`MeshStore`] is the store. Loro holds the data and merges it; a SQLite file of its own keeps it; iroh carries it between devices, encrypted, to those who
//! know the secret of the mesh.

mod data;
mod disk;
mod engine;
mod error;
mod exchange;
mod frontier;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod interest;
pub mod limits;
mod link;
mod memory;
mod message;
mod net;
mod observation;
mod presence;
mod refusal;
mod replica;
mod store;
#[cfg(test)]
mod tests;

/// The public key of a device, and why text is no address of a relay.
pub use iroh::{EndpointId, RelayUrlParseError};

pub use self::{
    disk::DiskError,
    error::OpenError,
    interest::{Interest, PartitionError},
    net::{FramingError, HandshakeError, MeshSecret, NetworkError, Peer, Ticket, TicketError},
    observation::MeshObservation,
    presence::PeerCollection,
    store::{JoinError, MeshBuilder, MeshStore},
};
