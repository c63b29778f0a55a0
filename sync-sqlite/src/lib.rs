//! The SQLite side of ditto-sync: the app's own tables as a [`Repository`](ditto_sync_core::repository::Repository), on sqlx.
//!
//! Not here: what a change means (`ditto_sync_core::merge`), and where documents live (the stores).

mod capture;
mod connection;
mod create;
mod database;
mod error;
mod layout;
mod limits;
mod lock;
mod native;
mod options;
mod prepare;
mod repository;
mod schema;
mod wake;
mod write;

pub use crate::{repository::SqliteRepository, write::WriteTransaction};
