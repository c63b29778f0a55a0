//! Integration tests of the core, in one binary.
#![expect(clippy::unwrap_used, reason = "a test ends there")]

mod database;
mod descriptor;
mod document;
mod field_chrono;
mod field_json;
mod field_laws;
mod field_std;
mod field_time;
mod field_uuid_decimal;
mod hash;
mod id;
mod query_agreement;
mod query_build;
mod query_dql;
mod query_dql_evaluator;
mod query_samples;
mod query_sql;
mod sending;
mod value;
mod volatile;
