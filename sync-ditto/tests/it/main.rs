//! The Ditto store on the real engine. See `scripts/fetch-ditto-engine` for how to get that.
#![cfg(feature = "engine")]

mod contract;
mod fixture;
mod killers;
