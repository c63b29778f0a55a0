//! What a change has brought to a place that its row has left is carried over to where the row lives. The rules are in `data/carry.rs`.

use std::collections::{HashMap, HashSet, VecDeque};

use ditto_sync_core::store::StoreError;
use smol_str::SmolStr;

use super::{Open, Replica, writing::RowWrite};
use crate::{
    data::{Carry, ShardKey},
    disk::Change,
    limits::WAITING_AT_ONCE,
};

/// Rows of which something is left that somebody may have carried over who knew more of it, by collection.
#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<SmolStr, VecDeque<SmolStr>>);

impl Waiting {
    /// Some of a collection, to be looked at now.
    pub(super) fn take(&mut self, collection: &str) -> Vec<SmolStr> {
        let Some(waiting) = self.0.get_mut(collection) else {
            return Vec::new();
        };
        let count = waiting.len().min(WAITING_AT_ONCE);
        waiting.drain(..count).collect()
    }

    fn add(&mut self, collection: &str, name: SmolStr) {
        self.0.entry(collection.into()).or_default().push_back(name);
    }
}

impl Replica {
    /// Carries over what rows of these names have left behind, as own operations: they have to be kept together with what they come from, and synced.
    pub(super) fn carry_over(
        &mut self,
        collection: &str,
        names: &[SmolStr],
    ) -> Result<Vec<Change>, StoreError> {
        let carrier = self.owner.peer;
        let mut groups: Vec<(usize, Vec<RowWrite<'_>>)> = Vec::new();
        for name in names {
            let Carry { writes, waits } = self.copies(collection, name).carry(carrier);
            if waits {
                self.waiting.add(collection, name.clone());
            }
            for (partition, entries) in writes {
                let Some(shard) = self.place_of(&ShardKey::new(collection, partition)) else {
                    continue;
                };
                let write = RowWrite {
                    name: name.clone(),
                    entries,
                    action: None,
                };
                match groups.iter_mut().find(|(other, _)| *other == shard) {
                    Some((_, group)) => group.push(write),
                    None => groups.push((shard, vec![write])),
                }
            }
        }
        let groups = groups.into_iter();
        groups
            .map(|(shard, group)| self.write_shard(shard, &group))
            .collect()
    }

    /// Of rows that have just changed in this document, those that may have left something behind: all that were ever at two places.
    pub(super) fn have_moved(&self, at: usize, names: impl IntoIterator<Item = SmolStr>) -> Vec<SmolStr> {
        let open = &self.shards[at];
        let others: Vec<&Open> = self
            .shards_of(&open.key.collection)
            .filter(|other| other.number != open.number)
            .collect();
        let mut moved: Vec<SmolStr> = names.into_iter().collect();
        moved.retain(|name| {
            others.iter().any(|other| other.index.contains(name)) || !self.has_stayed(open, name)
        });
        moved
    }

    /// After a start nobody knows which rows wait: all that are in several documents are looked at again, by and by.
    pub(super) fn wait_for_all(&mut self) {
        let mut seen: HashSet<(&str, &SmolStr)> = HashSet::new();
        let mut several: Vec<(SmolStr, SmolStr)> = Vec::new();
        for open in &self.shards {
            let collection = &open.key.collection;
            // Most collections have one document.
            if self.shards_of(collection).nth(1).is_none() {
                continue;
            }
            let names = open.index.names();
            let again = names.filter(|name| !seen.insert((collection.as_str(), name)));
            several.extend(again.map(|name| (collection.clone(), name.clone())));
        }
        for (collection, name) in several {
            self.waiting.add(&collection, name);
        }
    }

    fn has_stayed(&self, open: &Open, name: &str) -> bool {
        let changed = open.index.changed(name);
        let ahead = changed.and_then(|position| self.read_ahead.get(position));
        match ahead {
            Some(ahead) => ahead.row.has_stayed(),
            None => open.shard.row(name).has_stayed(),
        }
    }
}
