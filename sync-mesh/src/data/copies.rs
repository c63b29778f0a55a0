//! All that is held of one row, whichever documents hold it: where it lives, what readers see, and where a write goes. See [`Copies`].
//!
//! A row lives in the document of its scope. When a write changes the scope it **moves**: the document of the new scope gets all of it, and the old one keeps what it has, and is
//! told where the row went. So a device that takes only one of the two documents never takes a move for a delete, and what others wrote into the old one, before they heard of the move,
//! is not lost: whoever has both carries it over (`carry`).
//!
//! A place is a number of moves and a partition, and the greatest one is where the row lives. Two devices that move a row at once, or insert one id in two partitions, so
//! come to the same place everywhere, and the other one is carried over like an old one.

use ditto_sync_core::{
    descriptor::{ModelDescriptor, Scope},
    document::Document,
    intent::Action,
};

use loro::LoroValue;

use super::{carry::Entries, instance::Instance, key::Key, partition::Partition, row::Row};

/// What is held of one row, by document.
#[derive(Debug, Default)]
pub(crate) struct Copies(Vec<Copy>);

/// What one document holds of a row.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) partition: Partition,
    /// How many operations of the document are held.
    pub(crate) operations: u64,
    /// What others write in the document comes here.
    pub(crate) is_taken: bool,
    pub(crate) row: Row,
}

/// Where a row is or was. The greatest counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Somebody has written it there, beside seeds, which lie beneath every write.
    pub(super) written: bool,
    pub(super) moves: u32,
    pub(super) partition: Partition,
}

/// What is held of one place.
#[derive(Debug, Clone)]
pub(super) struct Held<'a> {
    pub(super) place: Place,
    /// Which copy it is part of.
    pub(super) copy: usize,
    pub(super) instance: &'a Instance,
}

/// How a write changes a row.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Of the document in which the row lives then.
    pub(crate) partition: Partition,
    /// With which move it came there.
    pub(crate) moves: u32,
    /// What is there before the write.
    pub(crate) instance: Instance,
    /// It comes there with this write, so that all of the instance has to be written first.
    pub(crate) arrives: bool,
    /// The documents that have to be told where it went.
    pub(crate) left: Vec<Partition>,
}

impl Plan {
    /// What has to be written first, where the row comes to this document.
    pub(crate) fn arriving(&self) -> Entries {
        if !self.arrives {
            return Vec::new();
        }
        let entries = self.instance.entries().into_iter();
        entries.map(|(key, value)| (key.at(self.moves), value)).collect()
    }

    /// What the documents are told that the row has left.
    pub(crate) fn link(&self) -> (Key, LoroValue) {
        moved_entry(self.moves, &self.partition)
    }
}

/// The row has moved, and came here with this move.
pub(super) fn moved_entry(moves: u32, partition: &Partition) -> (Key, LoroValue) {
    let key = Key::Moved(moves, partition.tag(moves));
    (key, LoroValue::Binary(partition.as_bytes().to_vec().into()))
}

impl Place {
    pub(super) fn tag(&self) -> u64 {
        self.partition.tag(self.moves)
    }
}

impl Copies {
    /// What one document holds, where no other holds anything.
    pub(crate) fn one(copy: Copy) -> Self {
        Self(vec![copy])
    }

    pub(crate) fn add(&mut self, copy: Copy) {
        self.0.push(copy);
    }

    pub(super) fn copies(&self) -> &[Copy] {
        &self.0
    }

    /// All places of which something is held.
    pub(super) fn held(&self) -> impl Iterator<Item = Held<'_>> {
        self.0.iter().enumerate().flat_map(|(copy, of)| {
            of.row.instances().map(move |(moves, instance)| Held {
                place: Place {
                    written: moves > 0 || instance.is_written(),
                    moves,
                    partition: of.partition.clone(),
                },
                copy,
                instance,
            })
        })
    }

    /// Whether the row has left a place for another one, and whoever moved it there did not know that it was at the first.
    pub(crate) fn is_lost(&self, partition: &Partition, moves: u32) -> bool {
        let (Some(newest), Some(location)) = (self.newest(), self.location()) else {
            return false;
        };
        let is_here = location.moves == moves && location.partition == *partition;
        // Who moves a row knows its state where it was.
        let known = newest.instance.known(partition.tag(moves), &Key::State);
        let is_unknown = newest.place == location && known.is_none();
        !is_here && (location.moves == moves || is_unknown)
    }

    /// How a place is named elsewhere, and of how many operations of its document it is.
    fn origin(&self, held: &Held<'_>) -> (u64, u64) {
        (held.place.tag(), self.0[held.copy].operations)
    }

    /// The greatest place of which something is held: what readers see.
    pub(super) fn newest(&self) -> Option<Held<'_>> {
        self.held().max_by(|one, other| one.place.cmp(&other.place))
    }

    /// The greatest place that is known: where the row lives, whether that is held or not.
    pub(super) fn location(&self) -> Option<Place> {
        let held = self.held().map(|held| held.place);
        held.chain(self.0.iter().flat_map(Copy::gone_to)).max()
    }

    /// The visible document, husk or not; `None` when nothing is visible.
    ///
    /// Where the row lives in a document that is not held, it is what was held of it last, with the scope that it has there: it belongs elsewhere, and is not deleted.
    pub(crate) fn view(&self) -> Option<Document> {
        let newest = self.newest()?;
        let mut document = newest.instance.view()?;
        if let Some(location) = self.location().filter(|location| *location > newest.place) {
            for (field, value) in location.partition.fields() {
                document.set(field, value);
            }
        }
        Some(document)
    }

    /// The document that readers see; husks left out.
    pub(crate) fn document(&self, model: &ModelDescriptor) -> Option<Document> {
        self.view().filter(|document| !model.is_husk(document))
    }

    /// Where `action` is carried out, and on what. `room` says where rows of a partition find room.
    pub(crate) fn plan(
        self,
        (model, action): (&ModelDescriptor, &Action),
        writer: u64,
        room: impl FnOnce(Partition) -> Partition,
    ) -> Plan {
        let location = self.location();
        let wanted = self.wanted(model, action).map(room);
        let Some(newest) = self.newest() else {
            return Plan {
                partition: wanted.unwrap_or_else(Partition::none),
                moves: location.map_or(0, |location| location.moves.saturating_add(1)),
                instance: Instance::default(),
                arrives: false,
                left: Vec::new(),
            };
        };
        let lives_here = location.as_ref() == Some(&newest.place);
        let stays = |wanted: &Partition| lives_here && *wanted == newest.place.partition;
        match wanted.filter(|wanted| !stays(wanted)) {
            Some(partition) => {
                let contents = !matches!(action, Action::Insert(_));
                let left = self.0.iter().map(|copy| copy.partition.clone());
                Plan {
                    moves: location.map_or(0, |location| location.moves).saturating_add(1),
                    instance: newest.instance.moved(self.origin(&newest), writer, contents),
                    arrives: true,
                    left: left.filter(|left| *left != partition).collect(),
                    partition,
                }
            }
            None => {
                let (place, copy) = (newest.place, newest.copy);
                let row = self.0.into_iter().nth(copy).map(|copy| copy.row);
                Plan {
                    instance: row.unwrap_or_default().into_instance(place.moves),
                    partition: place.partition,
                    moves: place.moves,
                    arrives: false,
                    left: Vec::new(),
                }
            }
        }
    }

    /// Where the row belongs after `action`; `None` when it stays where it is.
    fn wanted(&self, model: &ModelDescriptor, action: &Action) -> Option<Partition> {
        let is_new = self.newest().is_none();
        match action {
            Action::Insert(document) => Some(Partition::of(model, document)),
            Action::Seed(document) => is_new.then(|| Partition::of(model, document)),
            Action::Delete => None,
            Action::Patch { set, .. } if !is_new && !set.iter().any(|(name, _)| parts(model, name)) => None,
            Action::Patch { set, .. } => {
                let before = self.view().unwrap_or_default();
                let mut after = before.clone();
                for (name, value) in set {
                    after.set(name.clone(), value.clone());
                }
                let wanted = Partition::of(model, &after);
                (is_new || wanted != Partition::of(model, &before)).then_some(wanted)
            }
        }
    }
}

/// Whether rows are parted by this field.
fn parts(model: &ModelDescriptor, field: &str) -> bool {
    matches!(model.scope(), Scope::All(names) if names.contains(&field))
}

impl Copy {
    /// Where the row is known to have gone from this document.
    fn gone_to(&self) -> impl Iterator<Item = Place> {
        self.row.moved().iter().map(|(moves, partition)| Place {
            written: true,
            moves: *moves,
            partition: partition.clone(),
        })
    }

    /// The greatest place that this document knows.
    pub(super) fn location(&self) -> Option<Place> {
        let here = self.row.instances().map(|(moves, instance)| Place {
            written: moves > 0 || instance.is_written(),
            moves,
            partition: self.partition.clone(),
        });
        here.chain(self.gone_to()).max()
    }
}
