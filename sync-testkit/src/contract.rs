//! The contract suites: what every store and every repository must do, run by each of them.

pub mod repository;
pub mod store;
