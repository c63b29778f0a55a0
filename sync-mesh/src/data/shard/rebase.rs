//! Another device's document takes the place of ours, and what only we have is written into it anew: [`Shard::rebase_onto`].
//!
//! Needed where operations cannot be merged: when one side has trimmed history that the other builds on, and when a copy of this store has written other operations
//! under our number.

use std::collections::{BTreeMap, BTreeSet};

use loro::{
    ContainerID, ID, IdSpan, LoroDoc, LoroMap, LoroValue, VersionVector,
    json::{JsonOpContent, MapOp},
};

use super::{Shard, ShardError};
use crate::data::{counter::Total, id_of, key::Key};

/// Operations looked at in one go.
const WINDOW: i32 = 1024;

/// Which keys of which rows were written by operations that the other document lacks, and by whom.
type Written = BTreeMap<(String, String), BTreeSet<u64>>;

impl Shard {
    /// Writes into `new` what it lacks of this shard, under the number that `new` writes with.
    ///
    /// A value that one of the missing operations set is set again, as the latest write; one that was overwritten meanwhile is not. `own` is the number under
    /// which this shard was written here: operations of the same number and place that differ are missing, too.
    pub(crate) fn rebase_onto(&self, new: &Self, own: u64) -> Result<(), ShardError> {
        let (ours, theirs) = (self.version(), new.version());
        let both = count(&ours, own).min(count(&theirs, own));
        let forked = self.fork_point(new, own, both);
        let mut written = Written::new();
        for (peer, end) in ours.iter() {
            let start = if *peer == own {
                forked
            } else {
                count(&theirs, *peer)
            };
            self.note_written(IdSpan::new(*peer, start, *end), &mut written);
        }
        let before_fork = (forked < both).then(|| self.as_of(own, forked)).flatten();
        for ((name, key), writers) in &written {
            let old = self.document.get_map(name.as_str());
            let current = value(&old, key);
            let by_them = old
                .get_last_editor(key)
                .is_none_or(|editor| writers.contains(&editor));
            if !by_them {
                continue;
            }
            let map = new.document.get_map(name.as_str());
            let (moves, placed) = Key::decode(key).map_or((0, None), |key| {
                let (moves, key) = key.place();
                (moves, Some(key))
            });
            match (placed, &before_fork) {
                (Some(Key::Total(field, writer)), Some(before)) if writer == own => {
                    let mine = Key::Total(field, new.document.peer_id()).at(moves).encode();
                    add_since(&map, &mine, [value(&before.get_map(name.as_str()), key), current])?;
                }
                // Others may have taken over a newer one meanwhile.
                (Some(Key::Carried(_)), _) if !is_newer(current.as_ref(), value(&map, key).as_ref()) => {}
                _ => set(&map, key, current)?,
            }
        }
        new.document.commit();
        Ok(())
    }

    /// Whether the other document holds other operations under this number than this one.
    pub(crate) fn is_forked(&self, other: &Self, own: u64) -> bool {
        let both = count(&self.version(), own).min(count(&other.version(), own));
        self.fork_point(other, own, both) < both
    }

    /// The first of our own operations that is another one there, of those that both have.
    fn fork_point(&self, other: &Self, own: u64, both: i32) -> i32 {
        let trimmed = [self, other].map(|shard| count(&shard.trimmed_to(), own));
        let known = trimmed[0].max(trimmed[1]);
        let mut equal_from = both;
        let mut forked = both;
        // Backwards: what is older than a stretch without a difference was written before the copy was made.
        while equal_from > known {
            let start = (equal_from - WINDOW).max(known);
            let span = IdSpan::new(own, start, equal_from);
            let [ours, theirs] = [self, other].map(|shard| operations(&shard.document, span));
            let Some(differs) = ours.iter().zip(&theirs).find(|(one, other)| one != other) else {
                break;
            };
            forked = differs.0.0;
            equal_from = start;
        }
        forked
    }

    fn note_written(&self, span: IdSpan, written: &mut Written) {
        let mut start = span.counter.start.max(count(&self.trimmed_to(), span.peer));
        while start < span.counter.end {
            let end = start.saturating_add(WINDOW).min(span.counter.end);
            for (_, _, name, key, _) in operations(&self.document, IdSpan::new(span.peer, start, end)) {
                written.entry((name, key)).or_default().insert(span.peer);
            }
            start = end;
        }
    }

    /// The document as it was before an operation of ours; `None` when that part of the history is gone.
    fn as_of(&self, own: u64, counter: i32) -> Option<LoroDoc> {
        if counter == 0 {
            return Some(LoroDoc::new());
        }
        let frontiers = ID::new(own, counter - 1).into();
        self.document.fork_at(&frontiers).ok()
    }
}

pub(super) type Operation = (i32, u32, String, String, Option<LoroValue>);

/// Place, Lamport time, row, key and value of each operation on a row; `None` is a removal.
pub(super) fn operations(document: &LoroDoc, span: IdSpan) -> Vec<Operation> {
    let mut operations = Vec::new();
    for change in document.export_json_in_id_span(span) {
        for operation in change.ops {
            let place = u32::try_from(operation.counter - change.id.counter).unwrap_or(0);
            let ContainerID::Root { name, .. } = operation.container else {
                continue;
            };
            // Nobody here has written another, and asking Loro for one may end the process.
            if id_of(&name).is_none() {
                continue;
            }
            let (key, value) = match operation.content {
                JsonOpContent::Map(MapOp::Insert { key, value }) => (key, Some(value)),
                JsonOpContent::Map(MapOp::Delete { key }) => (key, None),
                _ => continue,
            };
            operations.push((
                operation.counter,
                change.lamport + place,
                name.to_string(),
                key,
                value,
            ));
        }
    }
    operations
}

pub(super) fn count(version: &VersionVector, peer: u64) -> i32 {
    version.get(&peer).copied().unwrap_or(0)
}

fn value(map: &LoroMap, key: &str) -> Option<LoroValue> {
    map.get(key)?.into_value().ok()
}

fn set(map: &LoroMap, key: &str, wanted: Option<LoroValue>) -> Result<(), ShardError> {
    match wanted {
        Some(wanted) => map.insert(key, wanted),
        None if value(map, key).is_some() => map.delete(key),
        None => Ok(()),
    }
    .map_err(ShardError::Write)
}

/// Counts what was added since the fork under a number of its own: what the copy has added stands under the old one.
fn add_since(map: &LoroMap, key: &str, [before, now]: [Option<LoroValue>; 2]) -> Result<(), ShardError> {
    let Some(now) = now.as_ref().and_then(Total::decode) else {
        return Ok(());
    };
    let before = before.as_ref().and_then(Total::decode);
    let counted = value(map, key).as_ref().and_then(Total::decode);
    let sum = |total: Option<Total>| {
        total
            .filter(|total| total.epoch == now.epoch)
            .map_or(0, |total| total.sum)
    };
    let times = |total: Option<Total>| total.map_or(0, |total| total.times);
    let total = Total {
        epoch: now.epoch,
        sum: sum(counted).wrapping_add(now.sum.wrapping_sub(sum(before))),
        times: times(counted).saturating_add(now.times.saturating_sub(times(before)).max(1)),
    };
    map.insert(key, total.encode()).map_err(ShardError::Write)
}

fn is_newer(one: Option<&LoroValue>, other: Option<&LoroValue>) -> bool {
    let times = |total: Option<&LoroValue>| total.and_then(Total::decode).map(|total| total.times);
    times(one) > times(other)
}
