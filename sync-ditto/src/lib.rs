//! The Ditto store of ditto-sync: `DittoStore`, with the feature `engine`, which links the Ditto SDK.
//!
//! Without the feature only what needs no engine is compiled and tested: how documents travel (`wire`), what the engine would refuse or
//! die of (`refusal`), and the statements that it is given (`statement`). Read those first, then `engine`.
//!
//! Not here: which operations are sent, and how documents become rows; the core decides that for every store.

#![cfg_attr(
    not(feature = "engine"),
    expect(dead_code, reason = "only the engine calls what is not public")
)]

#[cfg(feature = "engine")]
mod engine;
mod id_class;
mod limits;
mod refusal;
mod statement;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(feature = "engine")]
pub use self::engine::*;
