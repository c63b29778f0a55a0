//! What travels between peers, and what a peer remembers of it: [`Payload`], [`Received`], [`Versions`].

use std::{collections::BTreeMap, sync::Arc};

use ditto_sync_core::{
    id::DocumentId,
    store::{Cursor, Frontier},
};

use super::{document_state::DocumentState, stamp::Writer};

/// The documents that changed at a sender between two positions of its log, as they were when it was sent.
#[derive(Debug)]
pub(super) struct Payload {
    /// The life of the sending store.
    pub(super) sender: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) clock: u64,
    /// What the sender held at `to`, if it vouches for it.
    pub(super) versions: Option<Versions>,
    pub(super) contents: Vec<Content>,
}

/// One document of a message.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) collection: &'static str,
    pub(super) id: DocumentId,
    pub(super) state: Arc<DocumentState>,
}

/// Of each writer, how many of its writes are held: a version vector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions(BTreeMap<Writer, u64>);

/// How far one peer has come in the log of another.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Everything up to here has arrived.
    position: u64,
    /// What arrived beyond a gap: from, to, versions.
    beyond: Vec<(u64, u64, Option<Versions>)>,
}

impl Versions {
    /// Counts one more write.
    pub(super) fn count(&mut self, writer: Writer) {
        *self.0.entry(writer).or_default() += 1;
    }

    /// Whether all that `other` stands for is in here.
    pub(super) fn cover(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|(writer, count)| self.0.get(writer).is_some_and(|mine| mine >= count))
    }

    fn merge(&mut self, other: &Self) {
        for (writer, count) in &other.0 {
            let mine = self.0.entry(*writer).or_default();
            *mine = (*mine).max(*count);
        }
    }

    pub(super) fn to_frontier(&self) -> Frontier {
        let mut bytes = Vec::with_capacity(self.0.len() * (size_of::<u32>() + size_of::<u64>()));
        for (writer, count) in &self.0 {
            bytes.extend_from_slice(&writer.number().to_be_bytes());
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        Frontier(bytes)
    }

    /// `None` when the bytes are none of ours.
    pub(super) fn from_frontier(frontier: &Frontier) -> Option<Self> {
        let mut versions = BTreeMap::new();
        let mut rest = frontier.0.as_slice();
        while !rest.is_empty() {
            let (writer, after) = rest.split_first_chunk()?;
            let (count, after) = after.split_first_chunk()?;
            versions.insert(
                Writer::checked(u32::from_be_bytes(*writer))?,
                u64::from_be_bytes(*count),
            );
            rest = after;
        }
        Some(Self(versions))
    }
}

impl Received {
    /// Everything up to here has arrived.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Notes a message. Only an unbroken row of messages says what its sender held.
    pub(super) fn advance(&mut self, payload: &Payload, versions: &mut Versions) {
        self.beyond
            .push((payload.from, payload.to, payload.versions.clone()));
        while let Some(at) = self.beyond.iter().position(|(from, _, _)| *from <= self.position) {
            let (_, to, held) = self.beyond.swap_remove(at);
            if to >= self.position {
                self.position = to;
                if let Some(held) = held {
                    versions.merge(&held);
                }
            }
        }
    }
}

/// A position in the log of the store named `store_id`.
pub(super) fn cursor(position: u64, store_id: &str) -> Cursor {
    let mut bytes = position.to_be_bytes().to_vec();
    bytes.extend_from_slice(store_id.as_bytes());
    Cursor(bytes)
}

/// The position of a cursor of the store named `store_id`; `None` when it is of another one.
pub(super) fn cursor_position(cursor: &Cursor, store_id: &str) -> Option<u64> {
    let (position, store) = cursor.0.split_first_chunk()?;
    (store == store_id.as_bytes()).then(|| u64::from_be_bytes(*position))
}
