//! Keeps status and events up to date: [`Reporter`].

use std::{
    collections::HashSet,
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{broadcast, watch};

use super::{history::History, holds::HeldChange};
use crate::{
    clock::Clock,
    descriptor::ModelDescriptor,
    explain::HistoryEvent,
    hash::{ContentHash, IdHash},
    id::DocumentId,
    intent::Intent,
    limits::{ECHOES_REMEMBERED, EVENTS_KEPT, HISTORY_EVENTS_KEPT},
    merge::Conflict,
    repository::{Applied, Finding, InboundItem, Incoming, PendingCount, Quarantined, RowRef},
    scope::{ContextError, ModelScope},
    status::{CollectionStatus, Phase, SyncEvent, SyncStatus},
};

/// Keeps status and events up to date.
pub(super) struct Reporter {
    status: watch::Sender<SyncStatus>,
    events: broadcast::Sender<SyncEvent>,
    clock: Arc<dyn Clock>,
    /// Own writes whose echo has not come back, to tell it from a re-delivery. Only the status depends on it.
    echoes: HashSet<u64>,
    history: History,
}

/// How many of each collection; there are few.
#[derive(Default)]
struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    fn add(&mut self, collection: &'static str) {
        match self.0.iter_mut().find(|(name, _)| *name == collection) {
            Some((_, count)) => *count += 1,
            None => self.0.push((collection, 1)),
        }
    }
}

/// What tells the echo of an own write: half of the hashes of id and content. That two are alike would be counted wrongly, no more.
fn echo(id: &DocumentId, content: ContentHash) -> u64 {
    let whole = u128::from_be_bytes(IdHash::of(id).to_bytes()) ^ u128::from_be_bytes(content.to_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of a good hash is a good hash"
    )]
    {
        whole as u64
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Reporter {
    pub(super) fn new(models: &[&'static ModelDescriptor], clock: Arc<dyn Clock>) -> Self {
        let collections = models
            .iter()
            .map(|model| (model.collection(), CollectionStatus::default()));
        let status = SyncStatus {
            collections: collections.collect(),
            ..SyncStatus::default()
        };
        Self {
            status: watch::Sender::new(status),
            events: broadcast::Sender::new(EVENTS_KEPT),
            clock,
            echoes: HashSet::new(),
            history: History::default(),
        }
    }

    pub(super) fn listen(&self) -> (watch::Receiver<SyncStatus>, broadcast::Sender<SyncEvent>) {
        (self.status.subscribe(), self.events.clone())
    }

    pub(super) fn phase(&self, phase: Phase) {
        let changed = self.status.send_if_modified(|status| {
            let changed = status.phase != phase;
            status.phase = phase;
            changed
        });
        if changed {
            tracing::info!(?phase, "the coordinator is in another phase");
            self.event(SyncEvent::Phase(phase));
        }
    }

    pub(super) fn warnings(&self, warnings: Vec<Finding>) {
        for warning in &warnings {
            tracing::warn!(
                table = warning.table,
                problem = warning.problem,
                remedy = warning.remedy,
                "the schema of the app should change"
            );
        }
        self.status.send_modify(|status| status.warnings = warnings);
    }

    pub(super) fn tell_warnings(&self) {
        let warnings = self.status.borrow().warnings.clone();
        for warning in warnings {
            self.event(SyncEvent::Warning(warning));
        }
    }

    pub(super) fn declined(&self, collection: &'static str) {
        self.collection(collection, |status| status.declined += 1);
    }

    pub(super) fn restoring(&self, collection: &'static str, (done, total): (usize, usize)) {
        self.event(SyncEvent::Restoring {
            collection,
            done,
            total,
        });
    }

    pub(super) fn progress(&self, done: usize, total: usize) {
        self.event(SyncEvent::Progress { done, total });
    }

    pub(super) fn seeding(&self, collection: &'static str, done: u64, total: u64) {
        self.event(SyncEvent::Seeding {
            collection,
            done,
            total,
        });
    }

    pub(super) fn failed(&self, error: &dyn Error, after: Duration) {
        let error: Arc<str> = chain(error).into();
        tracing::warn!(%error, ?after, "an exchange failed and is tried again");
        self.status
            .send_modify(|status| status.last_error = Some(Arc::clone(&error)));
        self.event(SyncEvent::Retrying { error, after });
    }

    pub(super) fn recovered(&self) {
        self.status
            .send_if_modified(|status| status.last_error.take().is_some());
    }

    /// What this coordinator remembers of a row.
    pub(super) fn history(&self, collection: &str, id: &DocumentId) -> Vec<(SystemTime, HistoryEvent)> {
        self.history.of(collection, id)
    }

    /// Something happened to a row that is no event of its own.
    pub(super) fn note(&mut self, row: &RowRef, event: HistoryEvent) {
        let now = self.clock.wall();
        self.history.note(now, (row.model.collection(), &row.id), event);
    }

    /// The same happened to all rows of an intent.
    pub(super) fn note_intent(&mut self, intent: &Intent, event: &HistoryEvent) {
        let now = self.clock.wall();
        for operation in &intent.operations {
            let row = (operation.model.collection(), &operation.id);
            self.history.note(now, row, event.clone());
        }
    }

    pub(super) fn sent(&mut self, intent: &Intent) {
        self.note_intent(intent, &HistoryEvent::Sent(intent.batch));
        if self.echoes.len() > ECHOES_REMEMBERED {
            self.echoes.clear();
        }
        let mut counts = Counts::default();
        for operation in &intent.operations {
            let collection = operation.model.collection();
            if let Some(sent) = operation.record.sent {
                self.echoes.insert(echo(&operation.id, sent));
            }
            counts.add(collection);
        }
        for (collection, operations) in counts.0 {
            self.collection(collection, |status| status.sent += operations);
            self.event(SyncEvent::Sent {
                collection,
                operations,
            });
        }
    }

    pub(super) fn applied(&mut self, items: &[InboundItem], applied: &Applied) {
        self.count_unchanged(items, applied);
        let mut counts = Counts::default();
        let now = self.clock.wall();
        let heard = self.events.receiver_count() > 0;
        for row in &applied.changed {
            let collection = row.model.collection();
            counts.add(collection);
            self.history
                .note(now, (collection, &row.id), HistoryEvent::Applied);
            if heard {
                let id = row.id.clone();
                self.event(SyncEvent::Applied { collection, id });
            }
        }
        for (collection, count) in counts.0 {
            self.collection(collection, |status| status.applied += count);
        }
        self.conflicts(&applied.conflicts);
        for row @ RowRef { model, id } in &applied.parked {
            self.note(row, HistoryEvent::Parked);
            self.event(SyncEvent::Parked {
                collection: model.collection(),
                id: id.clone(),
            });
        }
        self.quarantined(&applied.quarantined);
    }

    /// What belongs on this device of a collection, and what it waits for.
    pub(super) fn scope(&self, collection: &'static str, scope: &ModelScope) {
        let awaited = match scope {
            ModelScope::Awaiting(parameters) => parameters.clone(),
            ModelScope::Everything | ModelScope::Matching(_) => Vec::new(),
        };
        self.collection(collection, |status| status.awaiting_context = awaited);
    }

    pub(super) fn changing_scope(&self, collection: &'static str, changing: bool) {
        self.collection(collection, |status| status.changing_scope = changing);
    }

    pub(super) fn scope_changed(&self, collection: &'static str) {
        tracing::info!(collection, "the scope has changed");
        self.changing_scope(collection, false);
        self.event(SyncEvent::ScopeChanged { collection });
    }

    /// A value of the context does not fit the models: the old one stays.
    pub(super) fn context_refused(&self, error: &ContextError) {
        let error: Arc<str> = chain(error).into();
        tracing::warn!(%error, "a value of the context was refused");
        self.status
            .send_modify(|status| status.context_error = Some(Arc::clone(&error)));
        self.event(SyncEvent::ContextRefused { error });
    }

    pub(super) fn context_accepted(&self) {
        self.status
            .send_if_modified(|status| status.context_error.take().is_some());
    }

    pub(super) fn conflicts(&mut self, conflicts: &[Conflict]) {
        let now = self.clock.wall();
        for conflict in conflicts {
            let row = (conflict.collection, &conflict.id);
            self.history.note(now, row, HistoryEvent::Conflict(conflict.kind));
            self.collection(conflict.collection, |status| status.conflicts += 1);
            self.event(SyncEvent::Conflict(conflict.clone()));
        }
    }

    pub(super) fn quarantined(&mut self, records: &[Quarantined]) {
        let now = self.clock.wall();
        for record in records {
            let (collection, reason): (_, Arc<str>) =
                (record.model.collection(), record.reason.as_str().into());
            tracing::warn!(collection, id = ?record.id, way = ?record.way, %reason, "a record is in quarantine");
            self.collection(collection, |status| status.last_error = Some(Arc::clone(&reason)));
            if let Some(id) = &record.id {
                let event = HistoryEvent::Quarantined(record.way, Arc::clone(&reason));
                self.history.note(now, (collection, id), event);
            }
            self.event(SyncEvent::Quarantined {
                collection,
                id: record.id.clone(),
                way: record.way,
                reason,
            });
        }
    }

    /// More changes of one collection wait than are applied unasked.
    pub(super) fn mass_change(&self, held: &HeldChange) {
        let &HeldChange {
            collection,
            deletes,
            overwrites,
            rows,
            ..
        } = held;
        tracing::warn!(
            collection,
            deletes,
            overwrites,
            rows,
            "a mass change from the store is held"
        );
        self.event(SyncEvent::MassChangeHeld {
            collection,
            deletes,
            overwrites,
            rows,
        });
    }

    /// So many changes of this collection are held.
    pub(super) fn held(&self, collection: &'static str, count: u64) {
        self.status.send_if_modified(|status| {
            let status = status.collections.entry(collection).or_default();
            std::mem::replace(&mut status.held, count) != count
        });
    }

    pub(super) fn pending(&self, counts: &[PendingCount]) {
        let now = self.clock.wall();
        self.status.send_if_modified(|status| {
            let mut changed = false;
            for count in counts {
                let Some(collection) = status.collections.get_mut(count.collection) else {
                    continue;
                };
                let since = (count.entries > 0).then(|| collection.pending_since.unwrap_or(now));
                let before = (
                    collection.pending,
                    collection.parked,
                    collection.quarantined,
                    collection.local_only,
                    collection.pending_since,
                );
                let after = (count.entries, count.parked, count.quarantined, count.local, since);
                (
                    collection.pending,
                    collection.parked,
                    collection.quarantined,
                    collection.local_only,
                    collection.pending_since,
                ) = after;
                changed |= before != after;
            }
            changed
        });
    }

    /// Documents of a collection, with their hashes, that their rows had agreed on already: echoes of own writes and re-deliveries. How many there were.
    pub(super) fn recognized<'i>(
        &mut self,
        collection: &'static str,
        documents: impl Iterator<Item = (&'i DocumentId, ContentHash)> + Clone,
    ) -> u64 {
        let now = self.clock.wall();
        let (mut echoes, mut others) = (0, 0);
        // Those before would be forgotten again at once.
        let forgotten = documents.clone().count().saturating_sub(HISTORY_EVENTS_KEPT);
        for (at, (id, hash)) in documents.enumerate() {
            let is_echo = !self.echoes.is_empty() && self.echoes.remove(&echo(id, hash));
            let (count, event) = match is_echo {
                true => (&mut echoes, HistoryEvent::Echoed),
                false => (&mut others, HistoryEvent::Redelivered),
            };
            *count += 1;
            if at >= forgotten {
                self.history.note(now, (collection, id), event);
            }
        }
        if echoes + others > 0 {
            self.collection(collection, |status| {
                status.suppressed += echoes;
                status.skipped_unchanged += others;
            });
        }
        echoes + others
    }

    /// Tells echoes of own writes from re-deliveries, among the documents of this batch that had been met already.
    fn count_unchanged(&mut self, items: &[InboundItem], applied: &Applied) {
        if applied.unchanged == 0 {
            return;
        }
        let rows = applied
            .changed
            .iter()
            .chain(&applied.parked)
            .map(|row| (row.model.collection(), &row.id));
        let met: HashSet<_> = rows.collect();
        let now = self.clock.wall();
        let (mut suppressed, mut skipped) = (Counts::default(), Counts::default());
        let known = items
            .iter()
            .filter(|item| !met.contains(&(item.model.collection(), &item.id)));
        for item in known.take(applied.unchanged) {
            let collection = item.model.collection();
            let is_echo = match &item.incoming {
                Incoming::Present(remote) => self.echoes.remove(&echo(&item.id, remote.hash)),
                Incoming::Absent | Incoming::Unreadable { .. } => false,
            };
            let event = if is_echo {
                HistoryEvent::Echoed
            } else {
                HistoryEvent::Redelivered
            };
            self.history.note(now, (collection, &item.id), event);
            if is_echo {
                suppressed.add(collection);
            } else {
                skipped.add(collection);
            }
        }
        for (collection, count) in suppressed.0 {
            self.collection(collection, |status| status.suppressed += count);
        }
        for (collection, count) in skipped.0 {
            self.collection(collection, |status| status.skipped_unchanged += count);
        }
    }

    fn collection(&self, collection: &'static str, change: impl FnOnce(&mut CollectionStatus)) {
        self.status
            .send_modify(|status| change(status.collections.entry(collection).or_default()));
    }

    fn event(&self, event: SyncEvent) {
        // Nobody listens: that is no failure.
        let _ = self.events.send(event);
    }
}
