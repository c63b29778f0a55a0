//! What a store holds, as the contract shows it: of each collection, how many operations of each writer.

use ditto_sync_core::store::{Frontier, StoreError};
use loro::VersionVector;

use crate::{error, replica::Replica};

/// What the replica holds.
pub(crate) fn encode(replica: &Replica) -> Frontier {
    let mut versions: Vec<(&str, Vec<(u64, i32)>)> = replica
        .held()
        .map(|held| {
            let mut writers: Vec<_> = held
                .version
                .iter()
                .map(|(writer, count)| (*writer, *count))
                .collect();
            writers.sort_unstable();
            (held.collection.as_str(), writers)
        })
        .collect();
    versions.sort_unstable();
    Frontier(postcard::to_extend(&versions, Vec::new()).expect("a growing buffer takes every frontier"))
}

/// Whether the replica holds all that the frontier stands for.
pub(crate) fn covers(replica: &Replica, frontier: &Frontier) -> Result<bool, StoreError> {
    let versions: Vec<(String, Vec<(u64, i32)>)> =
        postcard::from_bytes(&frontier.0).map_err(error::failed("read a frontier"))?;
    Ok(versions.into_iter().all(|(collection, writers)| {
        let mut asked = VersionVector::new();
        asked.extend(writers);
        let held = replica.held().find(|held| *held.collection == collection);
        match held {
            Some(held) => held.version.includes_vv(&asked),
            None => asked.values().all(|count| *count == 0),
        }
    }))
}
