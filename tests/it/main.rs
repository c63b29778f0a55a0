//! Whole devices against each other: SQLite, coordinator, store, network and back. What one part does alone is tested beside it.

mod api;
mod audits;
mod backups;
mod capture_paths;
mod changes;
mod defaults;
mod devices;
mod directions;
mod documents;
mod hooks;
mod initial_fetch;
mod keys;
mod lessons;
mod lifecycle;
mod mass_change;
mod offline;
mod process;
mod quarantine;
mod receipt_numbers;
mod records;
mod scope;
mod seeding;
mod start;
mod triggers;
mod unseen;
