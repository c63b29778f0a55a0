//! What a memory store reports of its changes: [`MemoryObservation`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    hash::ContentHash,
    id::DocumentId,
    query::Query,
    store::{Change, ChangeBatch, ChangeKind, Cursor, Observation, StoreError},
};

use super::{
    Flavor,
    document_state::DocumentState,
    fault::{Fault, StoreCall},
    id_hash::IdHashing,
    message,
    peer::{Peer, PeerState, Signals},
    replica::Entry,
};

/// A running observation of a memory store. It holds no queue: it reads the store's log from where it last stopped, so changes between two
/// calls come as one batch, each document once.
#[derive(Debug)]
pub struct MemoryObservation {
    peer: Arc<Peer>,
    model: &'static ModelDescriptor,
    query: Query,
    opening: u64,
    /// Where the log ended when the observation began.
    start: u64,
    /// Up to where changes have been reported.
    position: u64,
    /// The documents that matched when last looked at; not kept when everything matches.
    matching: HashSet<DocumentId, IdHashing>,
    /// The hashes of those that were rows, as they were when the observation began or reported them last. Kept where an engine would have read them for that: without cursors.
    seen: HashMap<DocumentId, ContentHash, IdHashing>,
    signals: Signals,
}

/// Ids in one batch, so that a batch stays a bounded piece of work.
const CHANGES_MAX: usize = 4096;
/// Ids that a spurious notification repeats.
const SPURIOUS_CHANGES: usize = 8;

impl MemoryObservation {
    /// Observes from `cursor`, or from now on.
    pub(super) fn new(
        peer: &Arc<Peer>,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<Self, StoreError> {
        let state = peer.lock();
        let replica = &state.replica;
        let now = replica.position();
        let resumed = cursor.filter(|_| replica.flavor == Flavor::Mesh);
        let position = match resumed.map(|cursor| message::cursor_position(cursor, &replica.store_id)) {
            None => now,
            Some(Some(position)) if position <= now => position,
            Some(_) => return Err(StoreError::CursorLost),
        };
        let mut matching = HashSet::default();
        if query.filter().is_some() {
            let documents = replica.present(model);
            let matched =
                documents.filter(|(_, state)| state.view().is_some_and(|document| query.matches(&document)));
            matching.extend(matched.map(|(id, _)| id.clone()));
        }
        let mut seen = HashMap::default();
        if replica.flavor == Flavor::Ditto {
            let documents = replica.present(model);
            let hashed =
                documents.filter_map(|(id, state)| Some((id.clone(), hash_of(model, query, state)?)));
            seen.extend(hashed);
        }
        Ok(Self {
            seen,
            peer: Arc::clone(peer),
            model,
            query: query.clone(),
            opening: state.opening,
            start: now,
            position,
            matching,
            signals: state.signals,
        })
    }

    /// What there is to report now, if anything. Nothing is lost between this and the return to the caller: there is no await.
    fn poll_batch(&mut self) -> Result<Option<ChangeBatch>, StoreError> {
        let peer = Arc::clone(&self.peer);
        let state = peer.lock();
        if state.opening != self.opening {
            return Err(StoreError::Closed);
        }
        if state.muted {
            return Ok(None);
        }
        let signals = std::mem::replace(&mut self.signals, state.signals);
        if signals.broken != state.signals.broken {
            return Err(Fault::Unavailable.to_error(StoreCall::Next.action()));
        }
        if signals.rescan != state.signals.rescan {
            self.position = state.replica.position();
            return Ok(Some(ChangeBatch {
                changes: Vec::new(),
                cursor: self.cursor(&state),
                rescan: true,
                overwritten: Vec::new(),
            }));
        }
        let mut changes = self.take_changes(&state);
        let spurious = signals.spurious != state.signals.spurious;
        if spurious {
            changes.extend(self.repeated_changes(&state));
        }
        if changes.is_empty() && !spurious {
            return Ok(None);
        }
        Ok(Some(ChangeBatch {
            changes,
            cursor: self.cursor(&state),
            rescan: false,
            overwritten: Vec::new(),
        }))
    }

    fn take_changes(&mut self, state: &PeerState) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut position = state.replica.position();
        let met = match self.query.filter() {
            Some(_) => state
                .replica
                .written_or_repeated(self.model.collection(), self.position),
            None => HashSet::new(),
        };
        for (at, collection, id, entry) in state.replica.changes_after(self.position) {
            if collection != self.model.collection()
                || (at > self.start && entry.is_some_and(|entry| entry.silent))
            {
                continue;
            }
            if let Some(kind) = self.kind_of(id, entry, at <= self.start || met.contains(id)) {
                let hash = entry
                    .and_then(|entry| entry.hash)
                    .filter(|_| kind == ChangeKind::Upserted);
                debug_assert!(
                    hash.is_none() || hash == entry.and_then(|entry| entry.state.hash(self.model)),
                    "the document is what its writer says"
                );
                if state.replica.flavor == Flavor::Ditto {
                    // What is reported as upserted matches, so what its writer said of it is true.
                    let now = || entry.and_then(|entry| hash_of(self.model, &self.query, &entry.state));
                    let now = hash.or_else(now);
                    match now {
                        Some(now) => self.seen.insert(id.clone(), now),
                        None => self.seen.remove(id),
                    };
                }
                changes.push(Change::new(id.clone(), kind).with_hash(hash));
            }
            if changes.len() == CHANGES_MAX {
                position = at;
                break;
            }
        }
        self.position = position;
        changes
    }

    /// What a change means to this query; `None` when nothing. `met`: it may have matched in between, or before this observation began.
    fn kind_of(&mut self, id: &DocumentId, entry: Option<&Entry>, met: bool) -> Option<ChangeKind> {
        let Some(entry) = entry else {
            self.matching.remove(id);
            return Some(ChangeKind::Moved);
        };
        let present = entry.state.is_present(self.model);
        if self.query.filter().is_none() {
            return Some(if present {
                ChangeKind::Upserted
            } else {
                ChangeKind::Deleted
            });
        }
        if present
            && entry
                .state
                .view()
                .is_some_and(|document| self.query.matches(&document))
        {
            self.matching.insert(id.clone());
            return Some(ChangeKind::Upserted);
        }
        let matched = self.matching.remove(id) || met;
        matched.then_some(if present {
            ChangeKind::Moved
        } else {
            ChangeKind::Deleted
        })
    }

    fn repeated_changes(&self, state: &PeerState) -> Vec<Change> {
        let replica = &state.replica;
        let mut ids: Vec<_> = replica.present(self.model).map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.truncate(SPURIOUS_CHANGES);
        ids.into_iter()
            .map(|id| Change::new(id.clone(), ChangeKind::Upserted))
            .collect()
    }

    fn cursor(&self, state: &PeerState) -> Option<Cursor> {
        (state.replica.flavor == Flavor::Mesh)
            .then(|| message::cursor(self.position, &state.replica.store_id))
    }
}

impl Observation for MemoryObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        let peer = Arc::clone(&self.peer);
        loop {
            let mut changed = std::pin::pin!(peer.changed.notified());
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(batch) = self.poll_batch()? {
                let call = StoreCall::Next;
                return peer
                    .fault(call)
                    .map_or(Ok(batch), |fault| Err(fault.to_error(call.action())));
            }
            changed.await;
        }
    }

    fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        ids.iter().map(|id| self.seen.get(id).copied()).collect()
    }
}

/// The hash of a document that matches and is a row.
fn hash_of(model: &'static ModelDescriptor, query: &Query, state: &DocumentState) -> Option<ContentHash> {
    let document = state.view()?;
    let matching = query.matches(&document).then_some(&document);
    model.hash_of(matching).ok().flatten()
}
