//! The SQLite side of ditto-sync: the app's own tables as a [`Repository`](ditto_sync_core::repository::Repository), on sqlx.
//!
//! Not here: what a change means (`ditto_sync_core::merge`), and where documents live (the stores).

mod acknowledge;
mod apply;
mod audit;
mod capture;
mod codec;
mod connection;
mod create;
mod database;
mod draft;
mod error;
mod feed;
mod inspect;
mod known;
mod layout;
mod limits;
mod lock;
mod mass_changes;
mod native;
mod options;
mod outbox;
mod prepare;
mod quarantine;
mod recover;
mod release;
mod repository;
mod schema;
mod scope;
mod state;
mod trace;
mod view;
mod wake;
mod write;

pub use crate::{repository::SqliteRepository, write::WriteTransaction};
