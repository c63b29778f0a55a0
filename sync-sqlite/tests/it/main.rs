//! Integration tests of the SQLite repository, through its public face and real files.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says where"
)]

mod apply;
mod bad_input;
mod contract;
mod coordinator;
mod draft;
mod fixture;
mod open;
mod till;
mod wake;
