//! What an observation knows of the documents it watches: [`Watch`]; and all observations of a store: [`Watches`].
//!
//! The engine hands over results, never changes: what appeared and vanished between two results is in neither. So whatever the store itself has
//! written, and whatever a fetch or a scan has met that differs from what is held here, is *doubtful*: it is looked at again and reported. So is what
//! a result lacks: the result may be older than the last look, for they are made on different threads.
//! A state machine without IO.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    query::Query,
    store::{Change, ChangeKind},
};
use tokio::sync::Notify;

use super::reading::{Found, RawHash};
use crate::limits::{CHANGES_MAX, LOOK_DOCUMENTS};

/// The documents of one observation.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) model: &'static ModelDescriptor,
    pub(super) query: Query,
    state: Mutex<State>,
    /// Something is to be looked at or reported.
    pub(super) stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What matched when it was last looked at.
    held: HashMap<DocumentId, Held>,
    doubtful: HashSet<DocumentId>,
    changes: HashMap<DocumentId, Reported>,
    sweep: u32,
}

/// What is to be said of a document.
#[derive(Debug, Clone, Copy)]
struct Reported {
    kind: ChangeKind,
    /// Of its row.
    hash: Option<ContentHash>,
}

impl Reported {
    fn gone(kind: ChangeKind) -> Self {
        Self { kind, hash: None }
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    hash: RawHash,
    /// Of its row, if it is one.
    row: Option<ContentHash>,
    /// The sweep that saw it last.
    sweep: u32,
}

/// A document that a sweep or a snapshot saw and that matches.
pub(super) struct Sighting {
    pub(super) id: DocumentId,
    pub(super) hash: RawHash,
    /// Of its row, if it is one.
    pub(super) row: Option<ContentHash>,
}

impl Watch {
    pub(super) fn new(model: &'static ModelDescriptor, query: Query) -> Self {
        Self {
            model,
            query,
            state: Mutex::default(),
            stirred: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a document is one of those observed.
    pub(super) fn matches(&self, document: &Document) -> bool {
        !self.model.is_husk(document) && self.query.matches(document)
    }

    /// The hash of a document as a row, if it is one.
    pub(super) fn hash_of_row(&self, document: &Document) -> Option<ContentHash> {
        self.model.hash_of(Some(document)).ok().flatten()
    }

    /// The rows of these documents as they were when last looked at. Of what may be otherwise by now nothing is said; that is looked at soon.
    pub(super) fn seen(&self, ids: &[DocumentId]) -> Vec<Option<ContentHash>> {
        let state = self.lock();
        let certain = |id: &&DocumentId| !state.doubtful.contains(*id);
        let row = |id| Some(id).filter(certain).and_then(|id| state.held.get(id)?.row);
        ids.iter().map(row).collect()
    }

    /// These were written by this store: they are reported, whatever becomes of them.
    fn doubt(&self, ids: impl IntoIterator<Item = DocumentId>) {
        self.lock().doubtful.extend(ids);
        self.stirred.notify_one();
    }

    /// A fetch has met these.
    fn met(&self, ids: &[DocumentId], found: &HashMap<DocumentId, Found>) {
        let mut state = self.lock();
        for id in ids {
            let now = found.get(id).filter(|found| self.matches(&found.document));
            if state.held.get(id).map(|held| held.hash) != now.map(|found| found.hash) {
                state.doubtful.insert(id.clone());
            }
        }
        let stirred = !state.doubtful.is_empty();
        drop(state);
        if stirred {
            self.stirred.notify_one();
        }
    }

    /// A scan has met these.
    fn scanned(&self, ids: &[DocumentId]) {
        let mut state = self.lock();
        let unknown: Vec<_> = ids
            .iter()
            .filter(|id| !state.held.contains_key(*id))
            .cloned()
            .collect();
        let stirred = !unknown.is_empty();
        state.doubtful.extend(unknown);
        drop(state);
        if stirred {
            self.stirred.notify_one();
        }
    }

    /// How many documents are held.
    pub(super) fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Whether something is doubtful.
    pub(super) fn is_doubtful(&self) -> bool {
        !self.lock().doubtful.is_empty()
    }

    /// Takes some of the doubtful ids, to be looked at.
    pub(super) fn take_doubtful(&self) -> Vec<DocumentId> {
        let mut state = self.lock();
        let taken: Vec<_> = state.doubtful.iter().take(LOOK_DOCUMENTS).cloned().collect();
        for id in &taken {
            state.doubtful.remove(id);
        }
        taken
    }

    /// A look at doubtful ids has failed: they stay doubtful.
    pub(super) fn still_doubtful(&self, ids: Vec<DocumentId>) {
        self.lock().doubtful.extend(ids);
    }

    /// The doubtful ids are now known to be so. All of them are reported.
    pub(super) fn looked_at(&self, ids: Vec<DocumentId>, mut found: HashMap<DocumentId, Found>) {
        let mut state = self.lock();
        let sweep = state.sweep;
        for id in ids {
            let change = match found.remove(&id) {
                Some(found) if self.matches(&found.document) => {
                    let (hash, row) = (found.hash, self.hash_of_row(&found.document));
                    state.held.insert(id.clone(), Held { hash, row, sweep });
                    Reported {
                        kind: ChangeKind::Upserted,
                        hash: row,
                    }
                }
                other => {
                    state.held.remove(&id);
                    let there = other.is_some_and(|found| !self.model.is_husk(&found.document));
                    Reported::gone(if there {
                        ChangeKind::Moved
                    } else {
                        ChangeKind::Deleted
                    })
                }
            };
            state.changes.insert(id, change);
        }
    }

    /// A look at everything begins.
    pub(super) fn begin_sweep(&self) {
        let mut state = self.lock();
        state.sweep = state.sweep.wrapping_add(1);
    }

    /// Some of what it saw.
    pub(super) fn saw(&self, sightings: impl IntoIterator<Item = Sighting>) {
        let mut state = self.lock();
        let sweep = state.sweep;
        for Sighting { id, hash, row } in sightings {
            let before = state.held.insert(id.clone(), Held { hash, row, sweep });
            if before.is_none_or(|before| before.hash != hash) {
                let kind = ChangeKind::Upserted;
                state.changes.insert(id, Reported { kind, hash: row });
            }
        }
    }

    /// It is complete: what it has not seen is gone, or matches no longer, or is newer than what it saw. A look at each tells.
    pub(super) fn end_sweep(&self) {
        let mut state = self.lock();
        let State {
            held,
            doubtful,
            sweep,
            ..
        } = &mut *state;
        let unseen = held.extract_if(|_, held| held.sweep != *sweep);
        doubtful.extend(unseen.map(|(id, _)| id));
    }

    /// What is held so far is where the observation starts: nothing of it is reported.
    pub(super) fn begin_here(&self) {
        self.lock().changes.clear();
    }

    /// What there is to report.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        let mut state = self.lock();
        let change = |(id, said): (_, Reported)| Change::new(id, said.kind).with_hash(said.hash);
        if state.changes.len() <= CHANGES_MAX {
            return state.changes.drain().map(change).collect();
        }
        let ids: Vec<_> = state.changes.keys().take(CHANGES_MAX).cloned().collect();
        ids.into_iter()
            .filter_map(|id| state.changes.remove_entry(&id).map(change))
            .collect()
    }
}

/// The running observations of a store.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<Vec<Weak<Watch>>>);

impl Watches {
    pub(super) fn add(&self, watch: &Arc<Watch>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|watch| watch.strong_count() > 0);
        all.push(Arc::downgrade(watch));
    }

    /// The store has written these documents; called when they are committed, before anybody is told.
    pub(super) fn wrote(&self, collection: &str, ids: &[&DocumentId]) {
        for watch in self.of(collection) {
            watch.doubt(ids.iter().copied().cloned());
        }
    }

    pub(super) fn met(&self, collection: &str, ids: &[DocumentId], found: &HashMap<DocumentId, Found>) {
        for watch in self.of(collection) {
            watch.met(ids, found);
        }
    }

    pub(super) fn scanned(&self, collection: &str, ids: &[DocumentId]) {
        for watch in self.of(collection) {
            watch.scanned(ids);
        }
    }

    /// Wakes all observations.
    pub(super) fn stir(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watch in all.iter().filter_map(Weak::upgrade) {
            watch.stirred.notify_one();
        }
    }

    fn of(&self, collection: &str) -> Vec<Arc<Watch>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = all.iter().filter_map(Weak::upgrade);
        running
            .filter(|watch| watch.model.collection() == collection)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use ditto_sync_core::query::field;
    use ditto_sync_testkit::models::STOCK;

    use super::*;

    fn id() -> DocumentId {
        DocumentId::text("s1").expect("a good id")
    }

    fn watch() -> Watch {
        Watch::new(&STOCK, Query::new(field("branchId").eq("here")))
    }

    fn found_in(branch: &str) -> HashMap<DocumentId, Found> {
        let mut document = Document::new();
        document.set("id", "s1");
        document.set("branchId", branch);
        let hash = RawHash::of(branch.as_bytes());
        HashMap::from([(id(), Found { document, hash })])
    }

    fn look(watch: &Watch, found: HashMap<DocumentId, Found>) {
        let ids = watch.take_doubtful();
        assert_eq!(ids, [id()], "the document is doubtful");
        watch.looked_at(ids, found);
    }

    fn reported(watch: &Watch) -> Vec<ChangeKind> {
        let changes = watch.take_changes();
        changes.into_iter().map(|change| change.kind).collect()
    }

    fn result_without_it(watch: &Watch) {
        watch.begin_sweep();
        watch.end_sweep();
        assert_eq!(
            reported(watch),
            [],
            "nothing is concluded from what a result lacks"
        );
    }

    #[test]
    fn what_was_looked_at_is_reported_with_the_hash_of_its_row_and_is_remembered_until_it_is_doubtful() {
        let watch = watch();
        watch.doubt([id()]);
        let mut found = found_in("here");
        let document = &mut found.get_mut(&id()).expect("it is there").document;
        document.set("quantity", 1);
        let hash = STOCK.hash_of(Some(document)).expect("it is a row");
        assert!(hash.is_some());
        look(&watch, found);
        let hashes = |watch: &Watch| {
            let changes = watch.take_changes();
            changes.into_iter().map(|change| change.hash).collect::<Vec<_>>()
        };
        assert_eq!(hashes(&watch), [hash]);
        let other = DocumentId::text("s2").expect("a good id");
        assert_eq!(watch.seen(&[other.clone(), id()]), [None, hash]);
        watch.doubt([id()]);
        assert_eq!(watch.seen(&[id()]), [None], "it may be another by now");
        look(&watch, found_in("here"));
        assert_eq!(watch.seen(&[id()]), [None], "that is no row");
        watch.begin_sweep();
        watch.saw([Sighting {
            id: id(),
            hash: RawHash::of(b"newer"),
            row: hash,
        }]);
        watch.end_sweep();
        assert_eq!(hashes(&watch), [hash]);
        assert_eq!(watch.seen(&[id()]), [hash]);
        result_without_it(&watch);
        assert_eq!(watch.seen(&[id()]), [None], "it may be gone");
    }

    /// The engine's result was made before the write, and comes after the look at it.
    #[test]
    fn a_result_from_before_a_write_deletes_nothing() {
        let watch = watch();
        watch.doubt([id()]);
        look(&watch, found_in("here"));
        assert_eq!(reported(&watch), [ChangeKind::Upserted]);
        result_without_it(&watch);
        look(&watch, found_in("here"));
        assert_eq!(reported(&watch), [ChangeKind::Upserted]);
    }

    #[test]
    fn what_a_result_lacks_is_reported_as_what_became_of_it() {
        for (found, kind) in [
            (HashMap::new(), ChangeKind::Deleted),
            (found_in("elsewhere"), ChangeKind::Moved),
        ] {
            let watch = watch();
            let hash = RawHash::of(b"here");
            watch.begin_sweep();
            let row = None;
            watch.saw([Sighting { id: id(), hash, row }]);
            watch.end_sweep();
            watch.begin_here();
            result_without_it(&watch);
            look(&watch, found);
            assert_eq!(reported(&watch), [kind]);
        }
    }
}
