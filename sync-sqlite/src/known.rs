//! The known set of one model in memory: id hash to content hash of every row that has agreed with its document.
//!
//! Only the coordinator's own transactions write the table, so the copy stays true: what a transaction changes is merged after its commit
//! (`state`). Not here: what agreeing means (`merge`).

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use ditto_sync_core::hash::{ContentHash, IdHash};

use crate::{
    codec,
    native::{Native, NativeError},
    state::{Fault, ModelSql},
};

/// Rows read in one go while loading.
const LOAD_ROWS: i64 = 8192;

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
    hashes: HashedMap<u128>,
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
        let hash = self.hashes.get(&id).filter(|hash| **hash != KEPT)?;
        Some(ContentHash::from_bytes(hash.to_be_bytes()))
    }

    /// Whether the row has agreed with its document, or was kept when that left the scope.
    pub(crate) fn contains(&self, id: u128) -> bool {
        self.hashes.contains_key(&id)
    }

    /// Whether the row was kept when its document left the scope.
    pub(crate) fn is_kept(&self, id: u128) -> bool {
        self.hashes.get(&id) == Some(&KEPT)
    }

    /// How many rows have agreed with their documents, or were kept.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The ids of rows that have agreed with their documents.
    pub(crate) fn agreed(&self) -> impl Iterator<Item = u128> {
        self.hashes
            .iter()
            .filter(|(_, hash)| **hash != KEPT)
            .map(|(id, _)| *id)
    }

    pub(crate) fn merge(&mut self, write: KnownWrite) {
        match write.hash {
            Some(hash) => self.hashes.insert(write.id, hash),
            None => self.hashes.remove(&write.id),
        };
    }

    /// Reads the next rows of the table behind `after`; the id to go on from, or `None` at the end.
    pub(crate) fn load_slice(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        after: Option<u128>,
    ) -> Result<Option<u128>, Fault> {
        let mut select = native.prepare(&format!(
            "SELECT id, hash FROM {} WHERE id > ?1 ORDER BY id LIMIT {LOAD_ROWS}",
            sql.known
        ))?;
        match after {
            Some(id) => select.bind_blob(1, &id.to_be_bytes())?,
            // Every id sorts behind the empty blob.
            None => select.bind_blob(1, &[])?,
        }
        let (mut read, mut last) = (0, None);
        while select.step()? {
            let id = codec::hash_key(select.column_blob(0)?)?;
            self.hashes.insert(id, codec::hash_key(select.column_blob(1)?)?);
            read += 1;
            last = Some(id);
        }
        Ok(last.filter(|_| read == LOAD_ROWS))
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

/// Writes changes of one model's known set; `writes` are sorted by id, so that neighbours land on the same pages.
pub(crate) fn write(native: &Native<'_>, sql: &ModelSql, writes: &[KnownWrite]) -> Result<(), NativeError> {
    let mut put = native.prepare(&format!(
        "INSERT INTO {} (id, hash) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET hash = excluded.hash",
        sql.known
    ))?;
    let mut remove = native.prepare(&format!("DELETE FROM {} WHERE id = ?1", sql.known))?;
    for write in writes {
        match write.hash {
            Some(hash) => {
                put.bind_blob(1, &write.id.to_be_bytes())?;
                put.bind_blob(2, &hash.to_be_bytes())?;
                put.run()?;
            }
            None => {
                remove.bind_blob(1, &write.id.to_be_bytes())?;
                remove.run()?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_replaces_and_a_forgotten_id_is_gone() {
        let mut known = Known::default();
        let write = |hash| KnownWrite {
            model: 0,
            id: 1 << 100,
            hash,
        };
        known.merge(write(Some(7)));
        known.merge(write(Some(8)));
        assert_eq!(known.get(1 << 100).map(content_key), Some(8));
        known.merge(write(None));
        assert!(!known.contains(1 << 100));
    }

    #[test]
    fn a_kept_row_agrees_with_nothing_and_is_not_forgotten() {
        let mut known = Known::default();
        known.merge(KnownWrite {
            model: 0,
            id: 7,
            hash: Some(KEPT),
        });
        assert_eq!(known.get(7), None);
        assert!(known.contains(7) && known.is_kept(7));
        assert_eq!(known.agreed().count(), 0);
    }
}
