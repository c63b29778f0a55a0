//! The embedded mesh of ditto-sync: a document store without a server and without a license, on Loro.
//!
//! [`MeshStore`] is the store. Loro holds the data and merges it; a SQLite file of its own keeps it.

mod data;
mod disk;
mod engine;
mod error;
mod exchange;
mod frontier;
mod index;
pub mod limits;
mod link;
mod message;
mod observation;
mod refusal;
mod replica;
mod store;
#[cfg(test)]
mod tests;

pub use self::{
    disk::DiskError,
    error::OpenError,
    observation::MeshObservation,
    store::{MeshBuilder, MeshStore},
};
