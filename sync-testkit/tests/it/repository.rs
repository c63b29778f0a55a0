//! The repository in memory: the contract suite, and what is its own.

mod app;
mod faults;

use ditto_sync_testkit::{
    contract::{self, repository::memory_fixture::MemoryFixture},
    repository_contract,
};

repository_contract!(MemoryFixture::new());

/// Not yet a case of the suite: `left_scope = "keep"` is not derived so far, and the repository on SQLite does not mark kept rows.
#[tokio::test]
async fn a_row_that_is_kept_is_left_alone() {
    contract::repository::scope::a_row_that_is_kept_is_left_alone(MemoryFixture::new()).await;
}
