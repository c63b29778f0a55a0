//! What a simulation notes beside documents: which changes of apps a document has met ([`Tags`]), and which value lost to which when two
//! states merged ([`Lost`]).
//!
//! Nothing in here has any effect on what a store does; without a simulation it stays empty. The checks that read it stand in `simulation`.

use std::sync::Arc;

use ditto_sync_core::{document::FieldName, id::DocumentId, value::Value};

use super::{MemoryStore, document_state::DocumentState, message::Content, replica::Replica};

/// A set of numbers of app changes, below [`Tags::MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tags([u64; 4]);

/// The tags that a state has met. Two states that differ only in it are the same state. Each field of each document has one, so it is small where there is no simulation.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Option<Arc<Tags>>);

/// A value that lost to one of a writer that had not met it: decided by the last writer.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub(crate) id: DocumentId,
    pub(crate) field: FieldName,
    pub(crate) value: Value,
    /// What the winner's writer had met.
    pub(crate) met_by_winner: Tags,
}

impl Witness {
    pub(super) fn of(tags: Tags) -> Self {
        Self((tags != Tags::default()).then(|| Arc::new(tags)))
    }

    pub(super) fn tags(&self) -> Tags {
        self.0.as_deref().copied().unwrap_or_default()
    }
}

impl PartialEq for Witness {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Tags {
    /// Tags are below this.
    pub(crate) const MAX: u32 = 256;

    /// The set of one tag.
    pub(crate) fn one(tag: u32) -> Self {
        let mut tags = Self::default();
        tags.insert(tag);
        tags
    }

    pub(crate) fn insert(&mut self, tag: u32) {
        assert!(tag < Self::MAX, "a schedule has fewer than {} changes", Self::MAX);
        self.0[(tag / 64) as usize] |= 1 << (tag % 64);
    }

    pub(crate) fn contains(self, tag: u32) -> bool {
        tag < Self::MAX && self.0[(tag / 64) as usize] & (1 << (tag % 64)) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u32> {
        (0..Self::MAX).filter(move |tag| self.contains(*tag))
    }
}

impl MemoryStore {
    /// From now on this life of the store notes what its documents meet.
    pub(crate) fn start_witnessing(&self) {
        self.peer.lock().replica.witnessing = true;
    }

    /// What a document has met.
    pub(crate) fn witnessed(&self, collection: &str, id: &DocumentId) -> Tags {
        let state = self.peer.lock();
        state
            .replica
            .state(collection, id)
            .map(|state| state.witness.tags())
            .unwrap_or_default()
    }

    /// A document has met these.
    pub(crate) fn witness(&self, collection: &str, id: &DocumentId, tags: Tags) {
        self.peer.lock().replica.unite_witness(collection, id, tags);
    }

    /// What was decided by the last writer since this was last asked.
    pub(crate) fn take_lost(&self) -> Vec<Lost> {
        std::mem::take(&mut self.peer.lock().replica.lost)
    }
}

impl Replica {
    /// Notes what will lose when `content` is merged into what is held.
    pub(super) fn note_losses(&mut self, content: &Content) {
        let Some(held) = self.state(content.collection, &content.id) else {
            return;
        };
        let lost = held.losses(&content.state);
        let noted = lost.into_iter().map(|(field, value, met_by_winner)| Lost {
            id: content.id.clone(),
            field,
            value,
            met_by_winner,
        });
        self.lost.extend(noted);
    }
}

impl DocumentState {
    /// The values of the registers that lose when the two states merge, with what the writer of the winner had met.
    fn losses(&self, theirs: &Self) -> Vec<(FieldName, Value, Tags)> {
        let mut losses = Vec::new();
        for (mine, their) in [(&self.registers, &theirs.registers), (&self.seeds, &theirs.seeds)] {
            for (name, one) in mine {
                let Some((_, other)) = their.iter().find(|(found, _)| found == name) else {
                    continue;
                };
                let (winner, loser) = if other.order(one).is_gt() {
                    (other, one)
                } else {
                    (one, other)
                };
                if let Some(value) = loser
                    .value
                    .as_ref()
                    .filter(|value| winner.value.as_ref() != Some(*value))
                {
                    losses.push((name.clone(), value.clone(), winner.witness.tags()));
                }
            }
        }
        losses
    }

    /// The writer of every register that differs from `before` had met what `before` had met.
    pub(super) fn note_context(&mut self, before: &Self) {
        let context = &before.witness;
        for (name, register) in self.registers.iter_mut().chain(&mut self.seeds) {
            let old = before
                .registers
                .iter()
                .chain(&before.seeds)
                .find(|(found, old)| found == name && old.stamp == register.stamp);
            if old.is_none() {
                register.witness = context.clone();
            }
        }
    }
}
