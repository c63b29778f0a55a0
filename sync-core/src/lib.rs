//! The core of ditto-sync: documents, contracts, merge and coordinator. It names no database and no engine; applications use the
//! facade crate `ditto-sync`.
//!
//! Read in this order: [`value`], [`document`], [`id`], [`column`] (what is synced), [`field`], [`descriptor`], [`adapter`] (how a
//! struct says so), [`query`], [`intent`], [`store`], [`repository`] (the contracts), [`merge`] (the pure decisions).

pub mod adapter;
pub mod column;
pub mod descriptor;
pub mod document;
pub mod error;
pub mod field;
pub mod hash;
pub mod id;
pub mod intent;
pub mod merge;
pub mod query;
pub mod repository;
pub mod scope;
pub mod store;
pub mod value;
