//! How rows live in Loro documents: names, values, counters, rows, and one document with many rows ([`Shard`]).
//!
//! Plain synchronous state. Not here: what is durable (`disk`), who is told (`engine`), how it travels (`wire`).

mod counter;
mod digest;
mod encoding;
mod key;
mod name;
mod row;
mod shard;
mod update;

pub(crate) use self::{
    name::{id_of, root_name},
    row::{Author, Row},
    shard::{Chunk, Searched, Shard, ShardError},
    update::Update,
};
