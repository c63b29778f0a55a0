//! Which batches another device has confirmed to hold: [`Receipts`].

use std::collections::{HashMap, VecDeque};

use ditto_sync_core::intent::{BatchId, ReplicaId};
use loro::VersionVector;

use crate::{data::ShardKey, limits::RECEIPTS_MAX};

/// The newest batches, and how far others have confirmed our own operations.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    recent: VecDeque<(BatchId, Vec<Mark>)>,
    /// By document and number: operations that some device holds.
    held: HashMap<(ShardKey, u64), i32>,
    /// What all older batches have written at most.
    floor: HashMap<(ShardKey, u64), i32>,
}

/// How many operations of a number in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) key: ShardKey,
    pub(super) writer: u64,
    pub(super) operations: i32,
}

impl Receipts {
    /// A batch has been written, up to these marks.
    pub(super) fn note(&mut self, batch: BatchId, marks: Vec<Mark>) {
        self.recent.push_back((batch, marks));
        if self.recent.len() > RECEIPTS_MAX
            && let Some((_, marks)) = self.recent.pop_front()
        {
            for mark in marks {
                self.settle(mark);
            }
        }
    }

    /// Whatever was written before has written at most this.
    pub(super) fn settle(&mut self, mark: Mark) {
        let floor = self.floor.entry((mark.key, mark.writer)).or_default();
        *floor = mark.operations.max(*floor);
    }

    /// Somebody holds this version of a document.
    pub(super) fn confirm(&mut self, key: &ShardKey, writer: u64, version: &VersionVector) {
        let Some(operations) = version.get(&writer) else {
            return;
        };
        let held = self.held.entry((key.clone(), writer)).or_default();
        *held = (*held).max(*operations);
    }

    /// Whether somebody holds all of a batch that was applied.
    pub(super) fn is_confirmed(&self, batch: BatchId) -> bool {
        let held = |key: &ShardKey, writer: u64, operations: i32| {
            let held = self.held.get(&(key.clone(), writer));
            held.is_some_and(|held| *held >= operations)
        };
        match self.recent.iter().find(|(other, _)| *other == batch) {
            Some((_, marks)) => marks
                .iter()
                .all(|mark| held(&mark.key, mark.writer, mark.operations)),
            None if self.is_newer(batch.replica, batch.sequence) => false,
            None => {
                let mut floor = self.floor.iter();
                floor.all(|((key, writer), operations)| held(key, *writer, *operations))
            }
        }
    }

    fn is_newer(&self, replica: ReplicaId, sequence: u64) -> bool {
        let mut of_it = self.recent.iter().filter(|(batch, _)| batch.replica == replica);
        of_it.next().is_some_and(|(oldest, _)| sequence > oldest.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(sequence: u64) -> BatchId {
        BatchId {
            replica: ReplicaId::from_bytes([1; 16]),
            sequence,
        }
    }

    fn mark(operations: i32) -> Mark {
        Mark {
            key: ShardKey::whole("stocks"),
            writer: 5,
            operations,
        }
    }

    fn version(operations: i32) -> VersionVector {
        let mut version = VersionVector::new();
        version.insert(5, operations);
        version
    }

    #[test]
    fn a_batch_is_confirmed_when_somebody_holds_all_of_it() {
        let mut receipts = Receipts::default();
        receipts.settle(mark(3));
        receipts.note(batch(7), vec![mark(10)]);
        receipts.note(batch(8), vec![mark(20)]);
        assert!(!receipts.is_confirmed(batch(1)), "of before the start");
        receipts.confirm(&ShardKey::whole("stocks"), 5, &version(10));
        let confirmed = [1, 7, 8, 9].map(|sequence| receipts.is_confirmed(batch(sequence)));
        assert_eq!(confirmed, [true, true, false, false]);
    }

    #[test]
    fn old_batches_wait_for_all_that_was_written_by_then() {
        let mut receipts = Receipts::default();
        for sequence in 0..=RECEIPTS_MAX as u64 + 1 {
            let operations = i32::try_from(sequence).expect("it is small");
            receipts.note(batch(sequence), vec![mark(operations + 1)]);
        }
        assert!(!receipts.is_confirmed(batch(0)));
        receipts.confirm(&ShardKey::whole("stocks"), 5, &version(2));
        assert!(receipts.is_confirmed(batch(0)));
    }
}
