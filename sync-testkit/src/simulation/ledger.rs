//! What the simulation knows beside the system and no device does: every change of an app and what its author had met ([`Ledger`]), and what
//! the rows of one device have met ([`Notes`]).

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::{
    document::FieldName,
    id::DocumentId,
    intent::{Action, Intent, OutboxSeq},
    merge::{Conflict, ConflictKind},
    repository::{InboundItem, Incoming},
};

use super::{
    family::Family,
    schedule::AppKind,
    shape::{Shape, tag_of},
};
use crate::{
    memory_repository::MemoryRepository,
    memory_store::{Lost, Tags},
};

/// Tags of schedules are smaller.
const SCHEDULED_MAX: u32 = 128;

/// One committed change of an app.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) tag: u32,
    pub(crate) device: usize,
    pub(crate) id: DocumentId,
    /// `None`: the row was there before the framework was.
    pub(crate) kind: Option<AppKind>,
    /// Positions of the registers it wrote.
    pub(crate) writes: Vec<usize>,
    /// The changes its author had met in the row.
    pub(crate) past: Tags,
    /// By how much it moved the counters.
    pub(crate) delta: Vec<i64>,
    /// Its digit in the counters.
    pub(crate) slot: Option<usize>,
    /// The insert that made the row it changed.
    pub(crate) of: Option<u32>,
    /// The user threw it away: it was in no old file and in no store.
    pub(crate) void: bool,
}

/// Every change of the run, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) events: BTreeMap<u32, Event>,
    /// Changes whose loss was reported to a user.
    pub(crate) reported: Tags,
    /// Values that a later writer beat without having met them.
    pub(crate) decided: BTreeSet<(DocumentId, usize, u32)>,
    pub(crate) slots: BTreeMap<DocumentId, usize>,
    /// How many tags were given out that are in no schedule.
    pub(crate) unscheduled: u32,
    /// What happened, when somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

impl Event {
    pub(crate) fn is_insert(&self) -> bool {
        matches!(self.kind, None | Some(AppKind::Insert | AppKind::Reinsert))
    }

    pub(crate) fn is_delete(&self) -> bool {
        matches!(self.kind, Some(AppKind::Delete | AppKind::Reinsert))
    }
}

impl Ledger {
    /// A digit of the counters of this row that no change has; `None` when there is none left.
    pub(crate) fn new_slot(&mut self, shape: &Shape, id: &DocumentId) -> Option<usize> {
        let used = self.slots.entry(id.clone()).or_default();
        let slot = *used;
        (slot < shape.slots()).then(|| {
            *used += 1;
            slot
        })
    }

    /// The changes that an amount holds. Newest first, because a change may have taken back older ones.
    ///
    /// # Errors
    /// What is in there too often, or what nobody committed.
    pub(crate) fn decode(&self, id: &DocumentId, amounts: &[i64]) -> Result<Tags, String> {
        let (mut found, mut rest) = (Tags::default(), amounts.to_vec());
        for event in self.events.values().rev().filter(|event| event.id == *id) {
            let Some(slot) = event.slot else { continue };
            match Shape::digit(&rest, slot) {
                0 => {}
                1 => {
                    found.insert(event.tag);
                    for (left, moved) in rest.iter_mut().zip(&event.delta) {
                        *left = left.wrapping_sub(*moved);
                    }
                }
                times => return Err(format!("change #{} counts {times} times", event.tag)),
            }
        }
        match rest.iter().all(|left| *left == 0) {
            true => Ok(found),
            false => Err(format!("the counter holds {rest:?} that nobody committed")),
        }
    }

    /// A tag for what no schedule says: what a foreign key or another program changes. They count down; `None` when they would meet those of the schedule.
    pub(crate) fn new_tag(&mut self) -> Option<u32> {
        let tag = Tags::MAX - 1 - self.unscheduled;
        let newest = self.events.range(..tag).next_back().map_or(0, |(tag, _)| *tag);
        (newest.max(SCHEDULED_MAX) < tag).then(|| {
            self.unscheduled += 1;
            tag
        })
    }

    pub(crate) fn decide(&mut self, shape: &Shape, lost: Lost) {
        let field: &FieldName = &lost.field;
        let position = shape
            .model
            .fields()
            .iter()
            .position(|known| known.document_name() == field.as_str());
        let Some(at) = position else { return };
        let tag = shape.writer(at, &lost.value);
        if let Some(tag) = tag.filter(|tag| !lost.met_by_winner.contains(*tag)) {
            self.decided.insert((lost.id, at, tag));
        }
    }

    fn report(&mut self, tags: Tags) {
        self.reported = self.reported.union(tags);
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }
}

/// What the rows of one database file have met: copied with the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// The changes whose effect a row has met.
    pub(crate) met: BTreeMap<DocumentId, Tags>,
    /// What the operations of the intent in flight carry.
    pub(crate) in_flight: BTreeMap<DocumentId, Tags>,
    /// Which change an outbox entry is of.
    pub(crate) entries: BTreeMap<OutboxSeq, u32>,
    /// What the fetched documents had met. Lost in a crash.
    pub(crate) fetched: BTreeMap<DocumentId, Tags>,
    /// Writes that only noted what the store holds. That can grow without a document changing, so it is no business of *Silence*.
    pub(crate) frontiers: u64,
    /// Writes that only moved a cursor.
    pub(crate) cursors: u64,
}

impl Notes {
    pub(crate) fn met(&self, id: &DocumentId) -> Tags {
        self.met.get(id).copied().unwrap_or_default()
    }

    fn meet(&mut self, id: &DocumentId, tags: Tags) {
        let met = self.met.entry(id.clone()).or_default();
        *met = met.union(tags);
    }

    /// An app has changed a row, as the newest entry of the outbox if it was captured.
    pub(crate) fn changed(
        &mut self,
        shape: &Shape,
        repository: &MemoryRepository,
        id: &DocumentId,
        tag: u32,
    ) {
        for entry in repository.outbox(shape.model) {
            if entry.id == *id {
                self.entries.entry(entry.seq).or_insert(tag);
            }
        }
        self.meet(id, Tags::one(tag));
    }

    /// The captured changes of a row that are not acknowledged.
    pub(crate) fn pending(&self, family: &Family, repository: &MemoryRepository, id: &DocumentId) -> Tags {
        let mut tags = Tags::default();
        for entry in repository.outbox(family.of(id).model) {
            if entry.id == *id
                && let Some(tag) = self.entries.get(&entry.seq)
            {
                tags.insert(*tag);
            }
        }
        tags
    }

    /// What was captured and is no change of the app: a foreign key has deleted rows with their parent. The device did that on its own, so it is a
    /// change like any other.
    pub(crate) fn cascaded(
        &mut self,
        ledger: &mut Ledger,
        family: &Family,
        (repository, device): (&MemoryRepository, usize),
    ) {
        if !family.is_related() {
            return;
        }
        for shape in family.tables() {
            for entry in repository.outbox(shape.model) {
                // Those of lost batches come before all others.
                let taken_back = entry.seq == OutboxSeq(0);
                if taken_back || self.entries.contains_key(&entry.seq) {
                    continue;
                }
                let Some(tag) = ledger.new_tag() else { continue };
                ledger.say(|| format!("      {device}: {} goes with its parent: #{tag}", entry.id));
                let born = entry.old.as_ref().and_then(|old| shape.tag(old, shape.born));
                let event = Event {
                    tag,
                    device,
                    id: entry.id.clone(),
                    kind: Some(AppKind::Delete),
                    writes: Vec::new(),
                    past: self.met(&entry.id),
                    delta: shape.unit(None),
                    slot: None,
                    of: born,
                    void: false,
                };
                ledger.events.insert(tag, event);
                self.entries.insert(entry.seq, tag);
                self.meet(&entry.id, Tags::one(tag));
            }
        }
    }

    /// A draft was committed.
    pub(crate) fn drafted(&mut self, family: &Family, repository: &MemoryRepository, intent: &Intent) {
        self.in_flight.clear();
        for operation in &intent.operations {
            let id = &operation.id;
            let shape = family.of(id);
            let tags = match &operation.action {
                // The image before the pending changes: its insert is all that it holds.
                Action::Seed(document) if has_entries(shape, repository, id) => {
                    let image = shape.model.image_of(document).ok();
                    let tag = image.and_then(|image| shape.tag(&image, shape.born));
                    tag.map(Tags::one).unwrap_or_default()
                }
                _ => self.met(id),
            };
            self.in_flight.insert(id.clone(), tags);
        }
    }

    /// An acknowledgement was committed.
    pub(crate) fn acknowledged(&mut self, family: &Family, repository: &MemoryRepository, intent: &Intent) {
        for operation in &intent.operations {
            let shape = family.of(&operation.id);
            let gone = repository.row(shape.model, &operation.id).is_none()
                && !has_entries(shape, repository, &operation.id);
            if gone && !matches!(operation.action, Action::Delete) {
                // Out of scope, so the app does not see it.
                self.met.remove(&operation.id);
            }
        }
        self.hide_waiting(family, repository);
    }

    /// Documents were applied.
    pub(crate) fn applied(&mut self, family: &Family, repository: &MemoryRepository, items: &[InboundItem]) {
        for item in items {
            let absent = matches!(item.incoming, Incoming::Absent);
            self.looked_at(family, repository, (&item.id, absent));
        }
        self.hide_waiting(family, repository);
    }

    /// The fetched document of this id was compared with its row.
    pub(crate) fn looked_at(
        &mut self,
        family: &Family,
        repository: &MemoryRepository,
        (id, absent): (&DocumentId, bool),
    ) {
        let shape = family.of(id);
        let row = repository.row(shape.model, id);
        // A row that is kept out of the scope, or whose document waits, is what it was.
        let taken = absent || repository.known(shape.model).contains_key(id);
        if (taken || row.is_none()) && !repository.is_waiting(shape.model, id) {
            let tags = self.fetched.get(id).copied().unwrap_or_default();
            self.meet(id, tags);
        }
        if !absent && row.is_none() && !has_entries(shape, repository, id) {
            self.met.remove(id);
        }
    }

    /// Rows that went with a parent out of the scope are parked: the app does not see them.
    fn hide_waiting(&mut self, family: &Family, repository: &MemoryRepository) {
        for shape in family.tables() {
            for id in repository.parked_reasons(shape.model).into_keys() {
                if repository.row(shape.model, &id).is_none() && !has_entries(shape, repository, &id) {
                    self.met.remove(&id);
                }
            }
        }
    }
}

/// What a report says was lost. `pending`: the changes of the row that were not acknowledged before the report.
pub(crate) fn reported(
    ledger: &mut Ledger,
    family: &Family,
    conflict: &Conflict,
    (pending, met): (Tags, Tags),
) {
    let shape = family.of(&conflict.id);
    let tags = match conflict.kind {
        ConflictKind::LocalDroppedByDelete | ConflictKind::LocalDroppedByRestore => pending,
        ConflictKind::LostByStore => met,
        ConflictKind::LocalReplacedByAdoption => named(shape, conflict, true),
        _ => named(shape, conflict, false),
    };
    ledger.say(|| {
        let tags: Vec<_> = tags.iter().collect();
        format!("      reports {:?} of {}: {tags:?}", conflict.kind, conflict.id)
    });
    ledger.report(tags);
}

/// The writers of the values in a report.
fn named(shape: &Shape, conflict: &Conflict, local: bool) -> Tags {
    let mut tags = Tags::default();
    for field in &conflict.fields {
        let value = if local { &field.local } else { &field.remote };
        let at = shape
            .model
            .fields()
            .iter()
            .position(|known| known.document_name() == field.field);
        let tag = at
            .zip(value.as_ref())
            .and_then(|(at, value)| shape.decode(at, value))
            .and_then(tag_of);
        if let Some(tag) = tag {
            tags.insert(tag);
        }
    }
    tags
}

fn has_entries(shape: &Shape, repository: &MemoryRepository, id: &DocumentId) -> bool {
    repository.outbox(shape.model).iter().any(|entry| entry.id == *id)
}
