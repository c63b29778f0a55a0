//! What the database file holds: [`Durable`], one [`Table`] a model, and the reads and writes that all transactions share.
//!
//! Not here: which of them a transaction does (`app`, `outgoing`, `incoming`, `recovery`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use ditto_sync_core::{
    breaker::Burst,
    column::Image,
    descriptor::{LeftScope, ModelDescriptor, RowError},
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{Intent, OutboxSeq, ReplicaId},
    live::Origin,
    merge::{Conflict, Pending, RowState, leaves_scope},
    query::Query,
    repository::{Mark, ModelState, RowRef, SyncState},
    rules::{Rule, off},
    scope::{Scopes, is_local},
    store::{Cursor, Frontier, StoreId},
};

use super::{constraints::Constraints, live::Feed};

/// How many acknowledged intents are kept, for a store that loses its newest commits.
const RETAINED_MAX: usize = 10;

/// The whole database file. Cloning it is copying the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Durable {
    pub(super) tables: BTreeMap<&'static str, Table>,
    pub(super) constraints: Constraints,
    pub(super) last_seq: i64,
    pub(super) last_batch: u64,
    pub(super) replica: Option<ReplicaId>,
    pub(super) in_flight: Option<Intent>,
    pub(super) acknowledged: Option<u64>,
    pub(super) retained: Vec<Retained>,
    pub(super) store: Option<StoreId>,
    pub(super) frontier: Option<Frontier>,
    pub(super) await_peer: bool,
    pub(super) conflicts: Vec<Conflict>,
    /// When they met, as [`now`](Self::now) counts.
    pub(super) conflict_times: Vec<SystemTime>,
    /// Transactions that have asked for the time.
    pub(super) ticks: u64,
    pub(super) feed: Feed,
}

/// An acknowledged intent that can still be taken back.
#[derive(Debug, Clone)]
pub(super) struct Retained {
    pub(super) before: Option<u64>,
    pub(super) intent: Intent,
}

/// A table of the app, and the bookkeeping beside it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) model: &'static ModelDescriptor,
    /// Whether the capture triggers exist: not before the first prepare.
    pub(super) captured: bool,
    pub(super) rows: BTreeMap<DocumentId, Image>,
    /// Oldest first; never an empty list.
    pub(super) outbox: BTreeMap<DocumentId, Vec<Entry>>,
    pub(super) known: BTreeMap<DocumentId, ContentHash>,
    /// Rows that left the scope and stayed in the table: they are nobody's, so they are not seeded.
    pub(super) kept: BTreeSet<DocumentId>,
    pub(super) parked: BTreeMap<DocumentId, String>,
    pub(super) held_back: BTreeMap<DocumentId, HeldBack>,
    pub(super) unreadable: BTreeMap<DocumentId, Unreadable>,
    /// Documents that were discarded: they are ignored until they change.
    pub(super) ignored: BTreeMap<DocumentId, Unreadable>,
    pub(super) cursor: Option<Cursor>,
    pub(super) reconciled: Option<Query>,
    pub(super) burst: Option<Burst>,
    /// Every row was offered to the store.
    pub(super) seeded: bool,
}

/// One captured change.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) seq: OutboxSeq,
    pub(super) kind: super::CaptureKind,
    pub(super) old: Option<Image>,
}

/// A row quarantined on its way out: it is tried again when it has a newer entry than this.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeldBack {
    pub(super) last: Option<OutboxSeq>,
    pub(super) reason: String,
    pub(super) attempts: u64,
    pub(super) since: SystemTime,
    pub(super) again: Again,
}

/// Whether a row that was held back is tried again whatever its newest entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    No,
    /// The process is new.
    Restarted,
    /// Someone asked for it.
    Asked,
}

/// A document quarantined on its way in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unreadable {
    pub(super) reason: String,
    pub(super) document: Option<Document>,
    pub(super) attempts: u64,
    pub(super) since: SystemTime,
}

impl Table {
    fn new(model: &'static ModelDescriptor) -> Self {
        Self {
            model,
            captured: false,
            rows: BTreeMap::new(),
            outbox: BTreeMap::new(),
            known: BTreeMap::new(),
            kept: BTreeSet::new(),
            parked: BTreeMap::new(),
            held_back: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            ignored: BTreeMap::new(),
            cursor: None,
            reconciled: None,
            burst: None,
            seeded: false,
        }
    }

    /// All that is durable about one row, canonical.
    pub(super) fn state(&self, id: &DocumentId) -> Result<RowState, RowError> {
        let canonical = |image: &Image| self.model.canonical(image.clone());
        let pending = match self.outbox.get(id).map(Vec::as_slice) {
            Some([first, rest @ ..]) => Some(Pending {
                base: first.old.as_ref().map(canonical).transpose()?,
                inserted: match off(Rule::InsertKind) {
                    true => first.old.is_none(),
                    false => std::iter::once(first)
                        .chain(rest)
                        .any(|entry| entry.kind == super::CaptureKind::Insert),
                },
                last: rest.last().unwrap_or(first).seq,
            }),
            _ => None,
        };
        Ok(RowState {
            row: self.rows.get(id).map(canonical).transpose()?,
            pending,
            known: self.known.get(id).copied(),
        })
    }

    /// Whether there is neither a row of this id nor anything agreed on or unsent.
    pub(super) fn has_never_heard_of(&self, id: &DocumentId) -> bool {
        !(self.rows.contains_key(id)
            || self.known.contains_key(id)
            || self.kept.contains(id)
            || self.outbox.contains_key(id))
    }

    /// Whether this row is not sent because it belongs nowhere.
    pub(super) fn is_local(&self, id: &DocumentId) -> bool {
        let unsent = self.outbox.contains_key(id)
            || (self.model.seeds() && !self.known.contains_key(id) && !self.kept.contains(id));
        let local = |row: &Image| is_local(self.model, row);
        unsent && self.model.direction().sends() && self.rows.get(id).is_some_and(local)
    }

    pub(super) fn last_entry(&self, id: &DocumentId) -> Option<OutboxSeq> {
        self.outbox.get(id)?.last().map(|entry| entry.seq)
    }

    /// Drops the entries of a row up to one of them, or all.
    pub(super) fn drop_entries(&mut self, id: &DocumentId, up_to: Option<OutboxSeq>) {
        if let Some(entries) = self.outbox.get_mut(id) {
            entries.retain(|entry| up_to.is_some_and(|last| entry.seq > last));
            if entries.is_empty() {
                self.outbox.remove(id);
            }
        }
        self.mended(id);
    }

    /// A clean row has nothing to send that could be held back.
    pub(super) fn mended(&mut self, id: &DocumentId) {
        if !self.outbox.contains_key(id) {
            self.held_back.remove(id);
        }
    }

    /// Whether the document of this row is parked, in quarantine or ignored.
    pub(super) fn waits_inbound(&self, id: &DocumentId) -> bool {
        self.parked.contains_key(id) || self.unreadable.contains_key(id) || self.ignored.contains_key(id)
    }

    /// Whether nothing of this row can go out now: it was refused as it is, its document is one that it could not be merged with, so that
    /// every write of it would be stale, or it has to meet its document first.
    pub(super) fn is_held_back(&self, id: &DocumentId) -> bool {
        self.waits_inbound(id)
            || self.changed_unseen(id)
            || self
                .held_back
                .get(id)
                .is_some_and(|held| held.again == Again::No && held.last == self.last_entry(id))
    }
}

impl Durable {
    /// A database in memory has no clock: a run with the same calls is to have the same outcome. Each look is a second later.
    pub(super) fn now(&mut self) -> SystemTime {
        self.ticks += 1;
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.ticks)
    }

    pub(super) fn report(&mut self, conflict: Conflict) {
        let now = self.now();
        self.conflicts.push(conflict);
        self.conflict_times.push(now);
    }

    pub(super) fn table(&mut self, model: &'static ModelDescriptor) -> &mut Table {
        self.tables
            .entry(model.collection())
            .or_insert_with(|| Table::new(model))
    }

    /// What the triggers of the table do after a statement changed one row.
    pub(super) fn capture(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        kind: super::CaptureKind,
        old: Option<Image>,
    ) {
        self.touch(model, id, Origin::Local);
        if !self.table(model).captured {
            return;
        }
        self.last_seq += 1;
        let seq = OutboxSeq(self.last_seq);
        let table = self.table(model);
        table.kept.remove(id);
        table
            .outbox
            .entry(id.clone())
            .or_default()
            .push(Entry { seq, kind, old });
    }

    pub(super) fn sync_state(&self, models: &[&'static ModelDescriptor], replica: ReplicaId) -> SyncState {
        let state_of = |model: &&'static ModelDescriptor| match self.tables.get(model.collection()) {
            Some(table) => ModelState {
                cursor: table.cursor.clone(),
                reconciled: table.reconciled.clone(),
                burst: table.burst.clone(),
            },
            None => ModelState::default(),
        };
        let mut order: Vec<usize> = (0..models.len()).collect();
        order.sort_by_key(|&at| self.depth(models[at]));
        SyncState {
            replica,
            in_flight: self.in_flight.clone(),
            acknowledged: self.acknowledged,
            retained: self
                .retained
                .iter()
                .map(|retained| (retained.before, retained.intent.batch.sequence))
                .collect(),
            store: self.store.clone(),
            frontier: self.frontier.clone(),
            await_peer: self.await_peer,
            models: models.iter().map(state_of).collect(),
            order,
        }
    }

    /// Sets marks; whether one of them differed from what was there.
    pub(super) fn set_marks(&mut self, marks: &[Mark]) -> bool {
        let mut changed = false;
        for mark in marks {
            match mark {
                Mark::Cursor(collection, cursor) => {
                    if let Some(table) = self.tables.get_mut(collection) {
                        changed |= replace(&mut table.cursor, cursor);
                    }
                }
                Mark::Reconciled(collection, query) => {
                    if let Some(table) = self.tables.get_mut(collection) {
                        changed |= replace(&mut table.reconciled, query);
                    }
                }
                Mark::Store(store, frontier) => {
                    changed |= replace(&mut self.store, &Some(store.clone()));
                    changed |= replace(&mut self.frontier, frontier);
                }
                Mark::Burst(collection, burst) => {
                    if let Some(table) = self.tables.get_mut(collection) {
                        changed |= replace(&mut table.burst, burst);
                    }
                }
                Mark::AwaitPeer(await_peer) => changed |= replace(&mut self.await_peer, await_peer),
            }
        }
        changed
    }

    pub(super) fn retain(&mut self, before: Option<u64>, intent: Intent) {
        if self.retained.len() == RETAINED_MAX {
            self.retained.remove(0);
        }
        self.retained.push(Retained { before, intent });
    }

    /// Removes those of `rows` that are clean, known and outside the scope; how many. Children may stand in the way of their parents, so it
    /// goes round until nothing moves.
    pub(super) fn leave_scope(&mut self, mut rows: Vec<RowRef>, scopes: &Scopes) -> usize {
        if off(Rule::ScopeFirst) {
            return 0;
        }
        rows.retain(|row| self.is_out_of_scope(row, scopes));
        let mut left = 0;
        loop {
            let before = rows.len();
            rows.retain(|row| !self.leave(row.model, &row.id));
            left += before - rows.len();
            if rows.is_empty() || rows.len() == before {
                return left;
            }
        }
    }

    fn is_out_of_scope(&mut self, row: &RowRef, scopes: &Scopes) -> bool {
        let state = self.table(row.model).state(&row.id);
        state.is_ok_and(|state| match &state.row {
            Some(image) => leaves_scope(&state, scopes.admits_row(row.model, &row.id, image)),
            None => false,
        })
    }

    /// Takes one row out of the mirror under full suppression. False when a child row keeps it from going: one that would be lost, unsent, with it.
    pub(super) fn leave(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> bool {
        if model.left_scope() == LeftScope::Keep {
            let table = self.table(model);
            table.known.remove(id);
            if table.rows.contains_key(id) {
                table.kept.insert(id.clone());
            }
            return true;
        }
        let Ok(cascade) = self.cascade_of(model, id) else {
            return false;
        };
        let unsent = |row: &RowRef| {
            let table = &self.tables[row.model.collection()];
            table.outbox.contains_key(&row.id) || !table.known.contains_key(&row.id)
        };
        if cascade.iter().any(unsent) {
            return false;
        }
        self.touch(model, id, Origin::Remote);
        // They may be in scope themselves: they come back with their parent.
        let reason = format!("went with a row of `{}` that left the scope", model.table());
        for row in cascade {
            self.touch(row.model, &row.id, Origin::Remote);
            let table = self.table(row.model);
            table.rows.remove(&row.id);
            table.known.remove(&row.id);
            table.parked.insert(row.id, reason.clone());
        }
        let table = self.table(model);
        table.rows.remove(id);
        if !off(Rule::Forget) {
            table.known.remove(id);
        }
        true
    }

    /// Forgets everything that was agreed with a store; what is dirty stays dirty.
    pub(super) fn forget_store(&mut self, replica: ReplicaId) {
        self.in_flight = None;
        self.acknowledged = None;
        self.retained.clear();
        self.replica = Some(replica);
        for table in self.tables.values_mut() {
            table.known.clear();
            table.kept.clear();
            table.parked.clear();
            table.unreadable.clear();
            table.ignored.clear();
            table.cursor = None;
            table.reconciled = None;
            table.burst = None;
            table.seeded = false;
        }
    }
}

fn replace<T: PartialEq + Clone>(place: &mut T, value: &T) -> bool {
    let differs = place != value;
    if differs {
        *place = value.clone();
    }
    differs
}
