//! Which rows a shard holds, when each changed last, and a digest of all of them: [`Index`].
//!
//! It answers what Loro must not be asked: whether a row is there (a look-up would make an empty one), and what has changed since (it has no such list).

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The rows of one shard by root name, and their names by position of the last change.
#[derive(Debug, Default)]
pub(crate) struct Index {
    rows: HashMap<SmolStr, Entry>,
    newest: BTreeMap<u64, SmolStr>,
    digest: u64,
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
    /// What it holds.
    digest: u64,
}

/// One change of a row, as the file keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Touch {
    pub(crate) name: SmolStr,
    pub(crate) position: u64,
    /// It was made here.
    pub(crate) own: bool,
    /// What the row holds since.
    pub(crate) digest: u64,
}

#[derive(Serialize, Deserialize)]
struct Kept(SmolStr, u64, u64, bool, u64);

impl Index {
    /// The index as it was kept; `None` when the bytes are damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let kept: Vec<Kept> = postcard::from_bytes(bytes).ok()?;
        let mut index = Self {
            rows: HashMap::with_capacity(kept.len()),
            ..Self::default()
        };
        for Kept(name, born, changed, own, digest) in kept {
            index.digest = index.digest.wrapping_add(digest);
            index.newest.insert(changed, name.clone());
            let entry = Entry {
                born,
                changed,
                own,
                digest,
            };
            index.rows.insert(name, entry);
        }
        Some(index)
    }

    /// All of it, to be kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let kept: Vec<Kept> = self
            .rows
            .iter()
            .map(|(name, entry)| Kept(name.clone(), entry.born, entry.changed, entry.own, entry.digest))
            .collect();
        postcard::to_extend(&kept, Vec::new()).expect("a growing buffer takes every index")
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    /// When a row changed last; `None` when there is no such row.
    pub(crate) fn changed(&self, name: &str) -> Option<u64> {
        self.rows.get(name).map(|entry| entry.changed)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &SmolStr> {
        self.rows.keys()
    }

    /// The digest of what a row holds.
    pub(crate) fn digest_of(&self, name: &str) -> Option<u64> {
        self.rows.get(name).map(|entry| entry.digest)
    }

    /// Equal on two devices whose rows hold the same.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// The position of the newest change.
    pub(crate) fn position(&self) -> u64 {
        self.newest.last_key_value().map_or(0, |(position, _)| *position)
    }

    /// Notes that a row has changed.
    pub(crate) fn touch(&mut self, touch: &Touch) {
        let Touch {
            ref name,
            position,
            own,
            digest,
        } = *touch;
        let entry = self.rows.entry(name.clone()).or_insert(Entry {
            born: position,
            changed: position,
            own,
            digest: 0,
        });
        self.newest.remove(&entry.changed);
        self.digest = self.digest.wrapping_sub(entry.digest).wrapping_add(digest);
        entry.changed = position;
        entry.own = own;
        entry.digest = digest;
        self.newest.insert(position, name.clone());
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

    fn touch(name: &str, position: u64) -> Touch {
        Touch {
            name: name.into(),
            position,
            own: false,
            digest: position * 1000,
        }
    }

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
            index.touch(&touch(name, position));
        }
        assert_eq!(since(&index, 0), [("b", 2, 2), ("a", 1, 3)]);
        assert_eq!(since(&index, 2), [("a", 1, 3)]);
        assert_eq!(since(&index, u64::MAX), []);
        let again = Index::decode(&index.encode()).expect("it was encoded here");
        assert_eq!(since(&again, 0), [("b", 2, 2), ("a", 1, 3)]);
        assert_eq!((again.position(), again.digest()), (3, 5000));
        assert!(Index::decode(&[255; 9]).is_none());
    }
}
