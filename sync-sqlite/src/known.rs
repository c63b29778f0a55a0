//! The known set of one model: id hash to content hash of every row that has agreed with its document, in memory, and as the log on disk from which it is read.
//!
//! Only the coordinator's own transactions write the log, so the copy stays true: what a transaction changes is merged after its commit
//! (`state`). Nobody looks anything up on disk, so there changes are appended, many to a chunk: hashes have no order, and a table sorted by them had a page
//! written for every row. Not here: what agreeing means (`merge`).

mod log;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use ditto_sync_core::hash::{ContentHash, IdHash};

use self::log::Log;
pub(crate) use self::log::{LogStep, append};
use crate::hash_table::{HashTable, Met};

/// Stands where a hash would, for a row that left the scope and was kept: it agrees with no document, and is not to be offered to the store.
pub(crate) const KEPT: u128 = 0;

/// A map keyed by hashes, which need no hashing again.
pub(crate) type HashedMap<V> = HashMap<u128, V, BuildHasherDefault<Identity>>;

/// Takes the lower half of a hash as it is.
#[derive(Debug, Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "half of a good hash is a good hash"
        )]
        {
            self.0 = hash as u64;
        }
    }
}

/// The known set of one model.
#[derive(Debug, Default)]
pub(crate) struct Known {
    hashes: HashTable,
    log: Log,
}

/// One change of a known set: of the model at this position, this id gets this hash, or is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KnownWrite {
    pub(crate) model: usize,
    pub(crate) id: u128,
    pub(crate) hash: Option<u128>,
}

impl Known {
    pub(crate) fn get(&self, id: u128) -> Option<ContentHash> {
        let hash = self.hashes.get(id).filter(|hash| *hash != KEPT)?;
        Some(ContentHash::from_bytes(hash.to_be_bytes()))
    }

    /// Whether the row has agreed with its document, or was kept when that left the scope.
    pub(crate) fn contains(&self, id: u128) -> bool {
        self.hashes.get(id).is_some()
    }

    /// Whether the row was kept when its document left the scope.
    pub(crate) fn is_kept(&self, id: u128) -> bool {
        self.hashes.get(id) == Some(KEPT)
    }

    /// How many rows have agreed with their documents, or were kept.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Which of them a search has met: none yet.
    pub(crate) fn met(&self) -> Met<'_> {
        Met::none_of(&self.hashes)
    }

    /// Takes over a change that is in the log.
    pub(crate) fn merge(&mut self, write: KnownWrite) {
        self.log.entries += 1;
        match write.hash {
            Some(hash) => self.hashes.insert(write.id, hash),
            None => self.hashes.remove(write.id),
        }
    }
}

/// The key of an id in the maps here.
pub(crate) fn id_key(id: IdHash) -> u128 {
    u128::from_be_bytes(id.to_bytes())
}

/// A content hash as the maps here hold it.
pub(crate) fn content_key(hash: ContentHash) -> u128 {
    u128::from_be_bytes(hash.to_bytes())
}

#[cfg(test)]
mod tests;
