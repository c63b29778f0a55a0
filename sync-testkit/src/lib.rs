//! Memory store, memory repository, simulated network and contract suites of ditto-sync.
//!
//! Users test their own models with it; every store and repository of the project passes the suites of `contract`.

pub mod app_change;
pub mod contract;
pub mod memory_repository;
pub mod memory_store;
pub mod models;
pub mod remote_store;
pub mod simulation;

pub use self::memory_store::{
    Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, Network, StoreCall,
};
