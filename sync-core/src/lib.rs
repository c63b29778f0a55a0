//! The core of ditto-sync: documents, contracts, merge and coordinator. It names no database and no engine; applications use the
//! facade crate `ditto-sync`.
//!
//! Read in this order: [`value`], [`document`], [`id`], [`mod@column`] (what is synced), [`field`], [`descriptor`], [`adapter`] (how a
//! struct says so), [`query`], [`intent`], [`store`], [`repository`] (the contracts), [`merge`]
//! (the pure decisions), [`coordinator`] (the order in which they happen), [`registry`] (how an app starts it).

pub mod adapter;
pub mod audit;
pub mod batching;
pub mod breaker;
pub mod clock;
pub mod column;
pub mod config;
pub mod coordinator;
pub mod descriptor;
pub mod document;
pub mod error;
pub mod explain;
pub mod field;
pub mod hash;
pub mod hooks;
pub mod id;
pub mod intent;
pub mod limits;
pub mod live;
pub mod merge;
#[doc(hidden)]
pub mod private;
pub mod quarantine;
pub mod query;
pub mod registry;
pub mod repository;
pub mod retry;
#[doc(hidden)]
pub mod rules;
pub mod scope;
pub mod startup;
pub mod status;
pub mod store;
pub mod value;

// The derive names `__private` under whichever crate the user has: this one or the facade.
#[doc(hidden)]
pub use private as __private;
