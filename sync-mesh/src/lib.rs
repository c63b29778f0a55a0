//! The embedded mesh of ditto-sync: a document store without a server and without a license, on Loro.
mod data;
pub mod limits;
