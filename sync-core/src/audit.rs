//! Comparing tables with the store: [`AuditReport`], and the [`Digest`] by which most rows are compared without being held in memory.
//!
//! Not here: the comparison itself, a command of the coordinator.

use std::collections::HashSet;

use crate::{
    column::Image,
    hash::{ContentHash, IdHash},
    id::DocumentId,
    merge::FieldConflict,
};

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditReport {
    /// Rows compared.
    pub compared: u64,
    /// Rows left out: dirty, parked, in quarantine, kept out of scope, or never agreed on with the store.
    pub skipped: u64,
    /// Rows that are neither what their documents say nor on the way to be.
    pub differences: Vec<Difference>,
    /// There are more differences than are listed.
    pub more: bool,
}

/// A clean row that is not what its document says.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The collection.
    pub collection: &'static str,
    /// The row.
    pub id: DocumentId,
    /// What is wrong.
    pub kind: DifferenceKind,
    /// The fields that differ, with both values as columns.
    pub fields: Vec<FieldConflict>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// It holds other values, which no trigger saw coming.
    Changed,
    /// It is gone, and no trigger saw it go.
    RowMissing,
    /// It has changed unseen, and its document is gone.
    DocumentMissing,
}

/// The sum of rows or documents, bucket by bucket. Equal sums stand for equal contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    sums: Vec<u128>,
}

impl Digest {
    /// A digest of nothing, in this many buckets; at least one.
    #[must_use]
    pub fn new(buckets: usize) -> Self {
        Self {
            sums: vec![0; buckets.max(1)],
        }
    }

    /// Adds one row or document; the order does not matter.
    pub fn add(&mut self, id: IdHash, content: ContentHash) {
        let bucket = bucket_of(id, self.sums.len());
        let id = u128::from_be_bytes(id.to_bytes()) | 1;
        // A product, so that two rows that swap their contents do not cancel out.
        let term = id.wrapping_mul(u128::from_be_bytes(content.to_bytes()) | 1);
        self.sums[bucket] = self.sums[bucket].wrapping_add(term);
    }

    /// The buckets in which the two differ.
    #[must_use]
    pub fn differing(&self, other: &Self) -> HashSet<usize> {
        let pairs = self.sums.iter().zip(&other.sums).enumerate();
        pairs
            .filter(|(_, (one, other))| one != other)
            .map(|(at, _)| at)
            .collect()
    }
}

/// The bucket of an id.
#[must_use]
pub fn bucket_of(id: IdHash, buckets: usize) -> usize {
    let [.., high, low] = id.to_bytes();
    usize::from(u16::from_be_bytes([high, low])) % buckets.max(1)
}

/// The rows of a table that can be compared with their documents.
#[derive(Debug, Clone)]
pub struct RowDigest {
    /// Their sums.
    pub digest: Digest,
    /// How many they are.
    pub rows: u64,
    /// Ids that cannot be compared.
    pub skipped: HashSet<IdHash>,
}

/// One clean row, as an audit sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedRow {
    /// Its id.
    pub id: DocumentId,
    /// What it holds.
    pub image: Image,
    /// The hash of that.
    pub hash: ContentHash,
    /// The hash on which it last agreed with its document.
    pub known: Option<ContentHash>,
}

/// Why an audit, or a repair, did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
    /// Store or database failed.
    #[error("tables and store could not be compared")]
    Failed(#[source] crate::coordinator::SyncError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i64) -> IdHash {
        IdHash::of(&DocumentId::integer(number))
    }

    fn content(byte: u8) -> ContentHash {
        ContentHash::from_bytes([byte; 16])
    }

    #[test]
    fn order_does_not_matter_and_swapped_contents_do() {
        let (mut one, mut other, mut swapped) = (Digest::new(1), Digest::new(1), Digest::new(1));
        one.add(id(1), content(3));
        one.add(id(2), content(5));
        other.add(id(2), content(5));
        other.add(id(1), content(3));
        swapped.add(id(1), content(5));
        swapped.add(id(2), content(3));
        assert_eq!(one, other);
        assert_eq!(one.differing(&swapped), HashSet::from([0]));
    }
}
