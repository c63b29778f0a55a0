//! What a store holds, as the contract shows it: of each document, how many operations of each writer.

use ditto_sync_core::store::{Frontier, StoreError};
use loro::VersionVector;

use crate::{data::ShardKey, error, exchange::Exchange, replica::Replica};

/// Begins a frontier that names partitions; older ones begin with the number of their collections, which is not that large.
const PARTED: [u8; 2] = [u8::MAX, 2];

/// Writers, and how many operations of each.
type Writers = Vec<(u64, i32)>;

/// What the replica holds.
pub(crate) fn encode(replica: &Replica) -> Frontier {
    let mut versions: Vec<(&ShardKey, Writers)> = replica
        .held()
        .map(|held| {
            let mut writers: Writers = held
                .version
                .iter()
                .map(|(writer, count)| (*writer, *count))
                .collect();
            writers.sort_unstable();
            (held.key, writers)
        })
        .collect();
    versions.sort_unstable();
    let named = versions.iter();
    let named = named.map(|(key, writers)| (key.collection.as_str(), key.partition.as_bytes(), writers));
    let named: Vec<(&str, &[u8], &Writers)> = named.collect();
    Frontier(postcard::to_extend(&named, PARTED.to_vec()).expect("a growing buffer takes every frontier"))
}

/// Whether the replica holds all that the frontier stands for. Of what it does not take, whether a device has told that it holds it.
pub(crate) fn covers(
    replica: &Replica,
    exchange: &Exchange,
    frontier: &Frontier,
) -> Result<bool, StoreError> {
    let versions = decode(&frontier.0)?;
    Ok(versions.into_iter().all(|(key, writers)| {
        let mut asked = VersionVector::new();
        asked.extend(writers);
        let held = replica.held_of(&key);
        match held {
            Some(held) if held.version.includes_vv(&asked) => true,
            _ if asked.values().all(|count| *count == 0) => true,
            _ => !replica.wants(&key) && exchange.is_held(&key, &asked),
        }
    }))
}

fn decode(bytes: &[u8]) -> Result<Vec<(ShardKey, Writers)>, StoreError> {
    const ACTION: &str = "read a frontier";
    let refused = || error::failed(ACTION)("it names what is no document");
    let Some(parted) = bytes.strip_prefix(&PARTED) else {
        let versions: Vec<(String, Writers)> = postcard::from_bytes(bytes).map_err(error::failed(ACTION))?;
        let versions = versions.into_iter();
        return Ok(versions
            .map(|(collection, writers)| (ShardKey::whole(collection), writers))
            .collect());
    };
    let versions: Vec<(&str, &[u8], Writers)> =
        postcard::from_bytes(parted).map_err(error::failed(ACTION))?;
    versions
        .into_iter()
        .map(|(collection, partition, writers)| {
            let key = ShardKey::checked(collection, partition).ok_or_else(refused)?;
            Ok((key, writers))
        })
        .collect()
}
