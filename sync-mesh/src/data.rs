//! How rows live in Loro documents: names, values, counters, rows, and one document with many rows ([`Shard`]).
//!
//! Plain synchronous state. Not here: what is durable (`disk`), who is told (`engine`), how it travels (`wire`).

mod carry;
mod copies;
mod counter;
mod digest;
mod encoding;
mod instance;
mod key;
mod name;
mod partition;
mod row;
mod shard;
mod update;

pub(crate) use self::{
    carry::{Carry, Entries},
    copies::{Copies, Copy, Plan},
    instance::{Author, Instance, Slot},
    name::{id_of, root_name},
    partition::{Partition, ShardKey},
    row::Row,
    shard::{Chunk, Searched, Shard, ShardError, Touched},
    update::Update,
};
