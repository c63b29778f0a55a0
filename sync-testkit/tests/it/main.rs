//! Integration tests of the test kit: its stores and repositories pass the contract suites, and misbehave only as asked.

mod coordinator;
mod memory_store;
mod repository;
mod store_contract;
