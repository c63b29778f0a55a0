//! What one peer holds: documents, the log of what changed, batch numbers and versions: [`Replica`].
//!
//! Plain synchronous state. Not here: locks, notifications, faults (`peer`), the checks before a write (`write`), links (`network`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use ditto_sync_core::{descriptor::ModelDescriptor, hash::ContentHash, id::DocumentId, intent::ReplicaId};

use super::{
    Flavor,
    change_log::{ChangeLog, Logged},
    document_state::{DocumentState, Stamps},
    id_hash::IdHashing,
    message::{Content, Payload, Received, Versions},
    stamp::Writer,
    witness::{Lost, Tags, Witness},
};

/// One life of one peer's store.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) flavor: Flavor,
    /// The name of this life, as the contract shows it.
    pub(super) store_id: String,
    /// The number of this life, as messages carry it.
    pub(super) life: u64,
    pub(super) writer: Writer,
    pub(super) clock: u64,
    pub(super) last_applied: HashMap<ReplicaId, u64>,
    /// Of each writer, how many of its writes are in here.
    pub(super) versions: Versions,
    /// Operations applied by own writes, for tests of silence.
    pub(super) operations: u64,
    collections: BTreeMap<&'static str, HashMap<DocumentId, Entry, IdHashing>>,
    log: ChangeLog,
    received: BTreeMap<u64, Received>,
    /// Something was evicted, so this replica no longer vouches for what it was seen to hold.
    evicted: bool,
    undo: Vec<Undo>,
    /// A simulation wants to know what documents meet.
    pub(super) witnessing: bool,
    pub(super) lost: Vec<Lost>,
}

/// A document and its place in the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: Arc<DocumentState>,
    pub(super) position: u64,
    /// Observations are not told about this change.
    pub(super) silent: bool,
    /// Of the visible document, where its writer has said it.
    pub(super) hash: Option<ContentHash>,
}

/// One own write that no peer has yet, as a power loss takes it back.
#[derive(Debug)]
struct Undo {
    documents: Vec<(&'static str, DocumentId, Option<Arc<DocumentState>>)>,
    replica: ReplicaId,
    last_applied: Option<u64>,
}

/// Own writes that a power loss may take back, as in the model.
const UNDO_MAX: usize = 3;
/// Documents in one message, so that a first exchange is not one giant message.
const MESSAGE_DOCUMENTS_MAX: usize = 10_000;

impl Replica {
    pub(super) fn new(flavor: Flavor, store_id: String, life: u64, writer: Writer) -> Self {
        Self {
            flavor,
            store_id,
            life,
            writer,
            clock: 0,
            last_applied: HashMap::new(),
            versions: Versions::default(),
            operations: 0,
            collections: BTreeMap::new(),
            log: ChangeLog::default(),
            received: BTreeMap::new(),
            evicted: false,
            undo: Vec::new(),
            witnessing: false,
            lost: Vec::new(),
        }
    }

    /// How many changes this life has seen; the position of the newest.
    pub(super) fn position(&self) -> u64 {
        self.log.position()
    }

    pub(super) fn state(&self, collection: &str, id: &DocumentId) -> Option<&Arc<DocumentState>> {
        Some(&self.collections.get(collection)?.get(id)?.state)
    }

    /// All documents of a collection, in no order.
    pub(super) fn states(&self, collection: &str) -> impl Iterator<Item = (&DocumentId, &DocumentState)> {
        let documents = self.collections.get(collection).into_iter().flatten();
        documents.map(|(id, entry)| (id, &*entry.state))
    }

    /// The visible documents of a collection, husks left out, in no order.
    pub(super) fn present<'a>(
        &'a self,
        model: &'static ModelDescriptor,
    ) -> impl Iterator<Item = (&'a DocumentId, &'a DocumentState)> {
        self.states(model.collection())
            .filter(|(_, state)| state.is_present(model))
    }

    /// Stores the new state of a document and logs the change.
    pub(super) fn put(
        &mut self,
        collection: &'static str,
        id: &DocumentId,
        state: Arc<DocumentState>,
        mark: Mark,
    ) {
        let documents = self.collections.entry(collection).or_default();
        let position = self.log.push(collection, id.clone(), mark.origin);
        let entry = Entry {
            state,
            position,
            silent: mark.silent,
            hash: mark.hash,
        };
        documents.insert(id.clone(), entry);
        let collections = &self.collections;
        self.log.compact(|logged| {
            let entry = collections
                .get(logged.collection)
                .and_then(|documents| documents.get(&logged.id));
            entry.is_some_and(|entry| entry.position == logged.position)
        });
    }

    /// Removes documents here only. Their log entries stay until the log is compacted, so that observations hear of it.
    pub(super) fn evict(
        &mut self,
        collection: &'static str,
        ids: &[DocumentId],
        new_writer: impl FnOnce() -> Writer,
    ) {
        let Some(documents) = self.collections.get_mut(collection) else {
            return;
        };
        let mut counted = false;
        for id in ids {
            if let Some(entry) = documents.remove(id) {
                counted |= entry.state.counts_increments_of(self.writer);
                self.evicted = true;
                self.log.push(collection, id.clone(), None);
            }
        }
        if counted {
            // Our own count of increments went with the document; counting again from less would lose against the old count at a peer.
            self.writer = new_writer();
        }
    }

    /// The changes after `position`, oldest first, each with its document (`None`: evicted). A document is reported at its newest
    /// change only.
    pub(super) fn changes_after(
        &self,
        position: u64,
    ) -> impl Iterator<Item = (u64, &'static str, &DocumentId, Option<&Entry>)> {
        self.log.after(position).filter_map(|logged| {
            let entry = self
                .collections
                .get(logged.collection)
                .and_then(|documents| documents.get(&logged.id));
            let newest = entry.is_none_or(|entry| entry.position == logged.position);
            newest.then_some((logged.position, logged.collection, &logged.id, entry))
        })
    }

    /// The documents of a collection that were written here after `position`, or changed more than once, so that they may have come and gone.
    pub(super) fn written_or_repeated(&self, collection: &str, position: u64) -> HashSet<&DocumentId> {
        let (mut once, mut found) = (HashSet::new(), HashSet::new());
        for logged in self.log.after(position) {
            if logged.collection == collection && (logged.origin.is_none() || !once.insert(&logged.id)) {
                found.insert(&logged.id);
            }
        }
        found
    }

    /// Keeps what a write is about to change, for [`lose_newest_writes`](Self::lose_newest_writes).
    pub(super) fn keep_for_undo(
        &mut self,
        replica: ReplicaId,
        keys: impl Iterator<Item = (&'static str, DocumentId)>,
    ) {
        let before = |(collection, id): (&'static str, DocumentId)| {
            let state = self.state(collection, &id).cloned();
            (collection, id, state)
        };
        let documents = keys.map(before).collect();
        if self.undo.len() == UNDO_MAX {
            self.undo.remove(0);
        }
        let last_applied = self.last_applied.get(&replica).copied();
        self.undo.push(Undo {
            documents,
            replica,
            last_applied,
        });
    }

    /// Takes back up to `count` of the newest own writes that no peer has got; returns how many.
    pub(super) fn lose_newest_writes(&mut self, count: usize) -> usize {
        for lost in 0..count {
            let Some(undo) = self.undo.pop() else {
                return lost;
            };
            for (collection, id, state) in undo.documents {
                self.put(collection, &id, state.unwrap_or_default(), Mark::default());
            }
            // What peers sent since may have gone with it: they send it all again.
            self.received.clear();
            match undo.last_applied {
                Some(last) => self.last_applied.insert(undo.replica, last),
                None => self.last_applied.remove(&undo.replica),
            };
        }
        count
    }

    /// Deletes all husks, tempting and wrong: only without the rule that says so.
    pub(super) fn collect_husks(&mut self, model: &'static ModelDescriptor, physical: u64) {
        let is_husk = |state: &DocumentState| state.view().is_some_and(|document| model.is_husk(&document));
        let states = self.states(model.collection());
        let husks: Vec<_> = states
            .filter(|(_, state)| is_husk(state))
            .map(|(id, state)| (id.clone(), state.clone()))
            .collect();
        for (id, mut state) in husks {
            let stamps = &mut Stamps {
                clock: &mut self.clock,
                physical,
                writer: self.writer,
            };
            state.entomb(stamps);
            self.put(model.collection(), &id, Arc::new(state), Mark::default());
        }
    }

    /// What changed after `from` and `receiver` may lack; `None` when nothing did.
    pub(super) fn outgoing(&mut self, from: u64, receiver: u64) -> Option<Payload> {
        if from >= self.position() {
            return None;
        }
        let mut contents = Vec::new();
        let mut to = self.position();
        let news = self
            .log
            .after(from)
            .filter(|logged| logged.origin != Some(receiver));
        for logged in news {
            if contents.len() == MESSAGE_DOCUMENTS_MAX {
                to = logged.position - 1;
                break;
            }
            if let Some(entry) = self.newest_entry(logged) {
                contents.push(Content {
                    collection: logged.collection,
                    id: logged.id.clone(),
                    state: Arc::clone(&entry.state),
                });
            }
        }
        let complete = to == self.position() && !self.evicted;
        self.undo.clear();
        Some(Payload {
            sender: self.life,
            from,
            to,
            clock: self.clock,
            versions: complete.then(|| self.versions.clone()),
            contents,
        })
    }

    /// How far this replica has come in the log of the store of that life.
    pub(super) fn received_from(&self, sender: u64) -> u64 {
        self.received.get(&sender).map_or(0, Received::position)
    }

    /// Merges a message; whether anything changed.
    pub(super) fn receive(&mut self, payload: &Payload, silent: bool) -> bool {
        self.clock = self.clock.max(payload.clock);
        let mut changed = false;
        for content in &payload.contents {
            let mark = Mark {
                origin: Some(payload.sender),
                silent,
                hash: None,
            };
            let witness = self.witnessing.then(|| {
                self.note_losses(content);
                let held = self.state(content.collection, &content.id);
                held.map_or(Tags::default(), |held| held.witness.tags())
            });
            changed |= self.merge(content, mark);
            if let Some(held) = witness {
                let tags = held.union(content.state.witness.tags());
                self.unite_witness(content.collection, &content.id, tags);
            }
        }
        let received = self.received.entry(payload.sender).or_default();
        received.advance(payload, &mut self.versions);
        changed
    }

    /// A simulation knows that a document has met these.
    pub(super) fn unite_witness(&mut self, collection: &str, id: &DocumentId, tags: Tags) {
        let documents = self.collections.get_mut(collection);
        let Some(entry) = documents.and_then(|documents| documents.get_mut(id)) else {
            return;
        };
        let united = entry.state.witness.tags().union(tags);
        if united != entry.state.witness.tags() {
            Arc::make_mut(&mut entry.state).witness = Witness::of(united);
        }
    }

    /// The document of a logged change, unless it was evicted or has changed again since.
    fn newest_entry(&self, logged: &Logged) -> Option<&Entry> {
        let entry = self.collections.get(logged.collection)?.get(&logged.id)?;
        (entry.position == logged.position).then_some(entry)
    }

    fn merge(&mut self, content: &Content, mark: Mark) -> bool {
        let Some(mine) = self.state(content.collection, &content.id) else {
            self.put(content.collection, &content.id, Arc::clone(&content.state), mark);
            return true;
        };
        if Arc::ptr_eq(mine, &content.state) {
            return false;
        }
        let merged = mine.merged(&content.state);
        if merged == **mine {
            return false;
        }
        if merged == *content.state {
            self.put(content.collection, &content.id, Arc::clone(&content.state), mark);
        } else {
            let mark = Mark { origin: None, ..mark };
            self.put(content.collection, &content.id, Arc::new(merged), mark);
        }
        true
    }
}

/// What is noted beside a change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// The life of the store that has exactly this state already.
    pub(super) origin: Option<u64>,
    /// Observations are not told.
    pub(super) silent: bool,
    /// Of the visible document, where its writer has said it.
    pub(super) hash: Option<ContentHash>,
}
