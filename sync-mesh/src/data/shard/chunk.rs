//! What a peer lacks of a shard, in pieces of bounded size that it can take one after another: [`Chunk`].
//!
//! A piece holds every operation that its operations build on, or the receiver has it already; and it ends where a row ends, so that no reader ever sees half of
//! what was written to a row at once.

use std::{cmp::Reverse, collections::BinaryHeap};

use loro::{ExportMode, ID, IdSpan, VersionVector};

use super::{Shard, ShardError};

/// Operations looked at in one go to find the end of a row.
const LOOK_AHEAD: i32 = 128;
/// Operations after which the end of a row is not looked for any more: no document of ours is so wide.
const ROW_OPERATIONS_MAX: i32 = 65_536;

/// A piece of what somebody lacks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    /// To be imported.
    pub(crate) update: Vec<u8>,
    /// What is held by whoever has imported it, and held all before it.
    pub(crate) end: VersionVector,
    /// More follows.
    pub(crate) more: bool,
}

impl Shard {
    /// The next piece of what somebody who holds `from` lacks, of about so many operations and bytes; `None` when there is nothing.
    pub(crate) fn chunk(
        &self,
        from: &VersionVector,
        size: (usize, usize),
    ) -> Result<Option<Chunk>, ShardError> {
        self.guarded(|| self.make_chunk(from, size))
    }

    fn make_chunk(
        &self,
        from: &VersionVector,
        (operations, bytes): (usize, usize),
    ) -> Result<Option<Chunk>, ShardError> {
        let all = self.version();
        if from.includes_vv(&all) {
            return Ok(None);
        }
        let mut operations = operations.max(1);
        loop {
            let end = self.cut(from, &all, operations);
            let spans: Vec<IdSpan> = end
                .iter()
                .filter_map(|(peer, end)| {
                    let start = from.get(peer).copied().unwrap_or(0);
                    (start < *end).then(|| IdSpan::new(*peer, start, *end))
                })
                .collect();
            let held: i64 = spans
                .iter()
                .map(|span| i64::from(span.counter.end - span.counter.start))
                .sum();
            let update = self
                .document
                .export(ExportMode::updates_in_range(spans))
                .map_err(ShardError::Export)?;
            // One row alone may be longer; so may one write of it, which is never torn.
            if update.len() > bytes && operations > 1 && held > 1 {
                let times = update.len().div_ceil(bytes).max(2);
                operations = (operations / times).max(1);
                continue;
            }
            return Ok(Some(Chunk {
                update,
                more: !end.includes_vv(&all),
                end,
            }));
        }
    }

    /// A version between `from` and `all`, about so many operations after `from`.
    ///
    /// Changes are taken in the order of their Lamport times: whatever one builds on has a smaller time, so it is held or comes before.
    fn cut(&self, from: &VersionVector, all: &VersionVector, operations: usize) -> VersionVector {
        let mut end = from.clone();
        let mut queue: BinaryHeap<Reverse<(u32, u64, i32)>> = BinaryHeap::new();
        let next = |peer: u64, counter: i32| {
            let last = all.get(&peer).copied().unwrap_or(0);
            let change = (counter < last)
                .then(|| self.document.get_change(ID::new(peer, counter)))
                .flatten()?;
            let skipped = u32::try_from(counter - change.id.counter).unwrap_or(0);
            let length = i32::try_from(change.len).unwrap_or(i32::MAX);
            let stop = change.id.counter.saturating_add(length).min(last);
            Some(Reverse((change.lamport.saturating_add(skipped), peer, stop)))
        };
        for peer in all.keys() {
            queue.extend(next(*peer, from.get(peer).copied().unwrap_or(0)));
        }
        let mut room = i64::try_from(operations).unwrap_or(i64::MAX);
        while room > 0
            && let Some(Reverse((_, peer, stop))) = queue.pop()
        {
            let start = end.get(&peer).copied().unwrap_or(0);
            let taken = i64::from(stop - start).min(room);
            room -= taken;
            // It fits: it is at most the length of the change.
            let reached = start + i32::try_from(taken).unwrap_or(i32::MAX);
            end.insert(peer, reached);
            queue.extend(next(peer, reached));
        }
        let cuts: Vec<(u64, i32)> = end.iter().map(|(peer, at)| (*peer, *at)).collect();
        for (peer, at) in cuts {
            let begun = at > from.get(&peer).copied().unwrap_or(0);
            if begun && at < all.get(&peer).copied().unwrap_or(0) {
                end.insert(peer, self.end_of_row(peer, at));
            }
        }
        end
    }

    /// Where the row ends in whose midst a writer's operations may be cut, without leaving the commit: what follows there builds on nothing new.
    fn end_of_row(&self, peer: u64, cut: i32) -> i32 {
        let mut at = cut;
        let mut row = None;
        while at - cut < ROW_OPERATIONS_MAX {
            let span = IdSpan::new(peer, (at - 1).max(0), at.saturating_add(LOOK_AHEAD));
            let changes = self.document.export_json_in_id_span(span);
            let before = at;
            for change in changes {
                let goes_on = change.deps.iter().all(|dep| dep.peer == peer);
                for operation in change.ops {
                    if operation.counter < at {
                        row.get_or_insert(operation.container);
                        continue;
                    }
                    let starts = operation.counter == change.id.counter && !goes_on;
                    if starts || row.as_ref() != Some(&operation.container) {
                        return at;
                    }
                    at = operation.counter + 1;
                }
            }
            if at == before {
                return at;
            }
        }
        at
    }
}
