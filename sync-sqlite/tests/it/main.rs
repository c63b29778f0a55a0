//! Integration tests of the SQLite repository, through its public face and real files.

mod bad_input;
mod open;
