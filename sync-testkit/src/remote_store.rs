//! A memory store in another process: [`RemoteStore`] is what a device has of it, [`StoreServer`] hosts it.
//!
//! For tests that kill a device's process: its store lives on in the process that hosts the hub, as the store of a real device lives on in its files.
//! Not for anything else: it speaks to this machine only, trusts whoever connects, and does not connect again.

mod client;
mod frame;
mod observation;
mod protocol;
mod server;

pub use self::{
    client::RemoteStore,
    observation::RemoteObservation,
    server::{StoreServer, Verdict, WriteMoment},
};
