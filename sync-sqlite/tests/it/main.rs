//! Integration tests of the SQLite repository, through its public face and real files.

mod bad_input;
mod contract;
mod coordinator;
mod fixture;
mod open;
mod roundtrip;
mod wake;
