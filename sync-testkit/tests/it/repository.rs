//! The repository in memory: the contract suite, and what is its own.

mod app;
mod faults;

use ditto_sync_testkit::{contract::repository::memory_fixture::MemoryFixture, repository_contract};

repository_contract!(MemoryFixture::new());
