//! Integration tests of the test kit: its stores and repositories pass the contract suites, and misbehave only as asked.
#![expect(clippy::unwrap_used, reason = "a test ends there")]

mod coordinator;
mod lifecycle;
mod memory_store;
mod quarantine;
mod remote_store;
mod repository;
mod simulation;
mod store_contract;
