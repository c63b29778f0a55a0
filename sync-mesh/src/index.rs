//! Which rows a shard holds, and when each changed last: [`Index`].
//!
//! It answers what Loro must not be asked: whether a row is there (a look-up would make an empty one), and what has changed since (it has no such list).

use std::collections::{BTreeMap, HashMap};

use smol_str::SmolStr;

/// The rows of one shard by root name, and their names by position of the last change.
#[derive(Debug, Default)]
pub(crate) struct Index {
    rows: HashMap<SmolStr, Entry>,
    newest: BTreeMap<u64, SmolStr>,
}

/// When a row changed. Positions count the changes of the whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The first time.
    pub(crate) born: u64,
    /// The last time.
    pub(crate) changed: u64,
    /// The last change was made here.
    pub(crate) own: bool,
}

impl Index {
    /// The index as it was kept.
    pub(crate) fn of(rows: Vec<(SmolStr, Entry)>) -> Self {
        let newest = rows
            .iter()
            .map(|(name, entry)| (entry.changed, name.clone()))
            .collect();
        Self {
            rows: rows.into_iter().collect(),
            newest,
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &SmolStr> {
        self.rows.keys()
    }

    /// The position of the newest change.
    pub(crate) fn position(&self) -> u64 {
        self.newest.last_key_value().map_or(0, |(position, _)| *position)
    }

    /// Notes that a row has changed.
    pub(crate) fn touch(&mut self, name: &SmolStr, position: u64, own: bool) -> Entry {
        let entry = self.rows.entry(name.clone()).or_insert(Entry {
            born: position,
            changed: position,
            own,
        });
        self.newest.remove(&entry.changed);
        entry.changed = position;
        entry.own = own;
        self.newest.insert(position, name.clone());
        *entry
    }

    /// What changed after `position`, oldest first.
    pub(crate) fn since(&self, position: u64) -> impl Iterator<Item = (&SmolStr, Entry)> {
        self.newest
            .range(position.saturating_add(1)..)
            .filter_map(|(_, name)| Some((name, *self.rows.get(name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(index: &Index, position: u64) -> Vec<(&str, u64, u64)> {
        let entries = index.since(position);
        entries
            .map(|(name, entry)| (name.as_str(), entry.born, entry.changed))
            .collect()
    }

    #[test]
    fn a_row_is_listed_at_its_newest_change_only() {
        let mut index = Index::default();
        for (position, name) in (1..).zip(["a", "b", "a"]) {
            index.touch(&name.into(), position, false);
        }
        assert_eq!(since(&index, 0), [("b", 2, 2), ("a", 1, 3)]);
        assert_eq!(since(&index, 2), [("a", 1, 3)]);
        assert_eq!(since(&index, u64::MAX), []);
        let kept = index
            .names()
            .map(|name| (name.clone(), index.rows[name]))
            .collect();
        let again = Index::of(kept);
        assert_eq!(since(&again, 0), [("b", 2, 2), ("a", 1, 3)]);
        assert_eq!(again.position(), 3);
    }
}
