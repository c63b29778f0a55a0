//! One row in one document: what its map says of all the places that it has had there. See [`Row`].
//!
//! Most rows have had one: then there is nothing but its instance. Not here: where the row lives when other documents have it, too (`copies`).

use ditto_sync_core::document::Document;
use loro::{LoroMap, LoroValue, ValueOrContainer};

use super::{digest::Digest, instance::Instance, key::Key, partition::Partition};

/// Everything a map holds of one row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    /// As it was written first.
    first: Instance,
    /// As it came back, by moves.
    later: Vec<(u32, Instance)>,
    /// Where it is known to have gone: after how many moves, and to which partition.
    moved: Vec<(u32, Partition)>,
}

/// A row that is being read, and what it holds as a number.
#[derive(Default)]
struct Reading {
    row: Row,
    digest: Digest,
}

impl Reading {
    fn add(&mut self, key: &str, value: ValueOrContainer) {
        if let ValueOrContainer::Value(value) = value {
            self.digest.add(key, &value);
            self.row.read_entry(key, value);
        }
    }
}

impl Row {
    /// Reads the map of a row.
    pub(crate) fn of(map: &LoroMap) -> Self {
        let mut row = Self::default();
        map.for_each(|key, value| {
            if let ValueOrContainer::Value(value) = value {
                row.read_entry(key, value);
            }
        });
        row
    }

    /// Reads the map of the row of this name, and what it holds as a number.
    pub(crate) fn with_digest(name: &str, map: &LoroMap) -> (Self, u64) {
        let mut reading = Reading::default();
        map.for_each(|key, value| reading.add(key, value));
        (reading.row, reading.digest.of(name))
    }

    /// The row of this name whose map has these entries, and what it holds as a number. Those without a value are not there.
    pub(super) fn of_entries<K: AsRef<str>>(
        name: &str,
        entries: impl IntoIterator<Item = (K, Option<ValueOrContainer>)>,
    ) -> (Self, u64) {
        let mut reading = Reading::default();
        for (key, value) in entries {
            value
                .into_iter()
                .for_each(|value| reading.add(key.as_ref(), value));
        }
        (reading.row, reading.digest.of(name))
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let later = self.later.iter();
        let later: usize = later
            .map(|(_, instance)| size_of::<(u32, Instance)>() + instance.bytes())
            .sum();
        let moved: usize = self
            .moved
            .iter()
            .map(|(_, partition)| partition.as_bytes().len())
            .sum();
        size_of::<Self>() + self.first.bytes() + later + moved + size_of_val(&*self.moved)
    }

    /// Whether it has been at one place only.
    pub(crate) fn has_stayed(&self) -> bool {
        self.later.is_empty() && self.moved.is_empty()
    }

    /// The visible document, husk or not, of a row that [has stayed](Self::has_stayed) and is nowhere else.
    pub(crate) fn view(&self) -> Option<Document> {
        self.first.view()
    }

    /// What was written at each place that it has had here, by moves.
    pub(super) fn instances(&self) -> impl Iterator<Item = (u32, &Instance)> {
        let later = self.later.iter().map(|(moves, instance)| (*moves, instance));
        let all = std::iter::once((0, &self.first)).chain(later);
        all.filter(|(_, instance)| !instance.is_empty())
    }

    /// The instance that came here with this move.
    pub(crate) fn instance(&self, moves: u32) -> Option<&Instance> {
        self.instances()
            .find(|(other, _)| *other == moves)
            .map(|(_, instance)| instance)
    }

    /// The same for somebody who needs nothing else of it.
    pub(super) fn into_instance(self, moves: u32) -> Instance {
        if moves == 0 {
            return self.first;
        }
        let mut later = self.later.into_iter();
        later
            .find(|(other, _)| *other == moves)
            .map(|(_, instance)| instance)
            .unwrap_or_default()
    }

    /// Where it is known to have gone.
    pub(super) fn moved(&self) -> &[(u32, Partition)] {
        &self.moved
    }

    fn read_entry(&mut self, key: &str, value: LoroValue) {
        match Key::decode(key) {
            Some(Key::Moved(moves, place)) => {
                let partition = match &value {
                    LoroValue::Binary(bytes) => Partition::decode(bytes),
                    _ => None,
                };
                let ours = partition.filter(|partition| partition.tag(moves) == place);
                self.moved.extend(ours.map(|partition| (moves, partition)));
            }
            Some(key) => {
                let (moves, key) = key.place();
                self.at(moves).read(key, value);
            }
            None => {}
        }
    }

    fn at(&mut self, moves: u32) -> &mut Instance {
        if moves == 0 {
            return &mut self.first;
        }
        let found = self.later.iter().position(|(other, _)| *other == moves);
        let at = found.unwrap_or_else(|| {
            self.later.push((moves, Instance::default()));
            self.later.len() - 1
        });
        &mut self.later[at].1
    }
}
