//! Whole devices against each other: SQLite, coordinator, store, network and back. What one part does alone is tested beside it.

mod api;
mod audits;
mod capture_paths;
mod changes;
mod devices;
mod directions;
mod initial_fetch;
mod keys;
mod lessons;
mod lifecycle;
mod mass_change;
mod offline;
mod process;
mod quarantine;
mod records;
mod seeding;
mod start;
mod triggers;
mod unseen;
