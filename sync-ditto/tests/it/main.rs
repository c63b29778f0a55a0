//! The Ditto store on the real engine. See `scripts/fetch-ditto-engine` for how to get that.
#![cfg(feature = "engine")]

mod assumptions;
mod contract;
mod fixture;
mod foreign;
mod killers;
mod observing;
mod opening;
mod session;
