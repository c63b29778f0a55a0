//! The transactions around a write to the store: draft, acknowledge, discard.

use ditto_sync_core::{
    descriptor::{ModelDescriptor, RowError},
    hash::IdHash,
    id::DocumentId,
    intent::{BatchId, Intent, Operation, OutboxSeq, ReplicaId},
    merge::{Outbound, outbound},
    repository::{Acknowledged, Draft, DraftRequest, Quarantined, RowRef, Way},
    rules::{Rule, off},
    scope::Scopes,
};

use super::durable::{Again, Durable, HeldBack};

impl Durable {
    /// The draft, and whether anything was written.
    pub(super) fn draft(
        &mut self,
        models: &[&'static ModelDescriptor],
        replica: ReplicaId,
        request: DraftRequest<'_>,
    ) -> (Draft, bool) {
        assert!(
            self.in_flight.is_none(),
            "no intent is drafted while another is in flight"
        );
        let mut draft = Draft::default();
        let mut operations: Vec<Operation> = Vec::new();
        let mut dropped = Vec::new();
        let mut news = self.note_seeded(models, request);
        for RowRef { model, id } in self.to_send(models, request) {
            if !request.rows.admit(model, IdHash::of(&id)) {
                continue;
            }
            match self.outbound_of(model, &id) {
                Ok(Outbound::Nothing | Outbound::Local) => {}
                Ok(Outbound::Drop(_)) => {
                    self.table(model).drop_entries(&id, None);
                    dropped.push(RowRef { model, id });
                }
                Ok(Outbound::Send(_)) if operations.len() >= request.operations_max => {
                    draft.more = true;
                    break;
                }
                Ok(Outbound::Send(operation)) => operations.push(*operation),
                Err(reason) => {
                    let (record, is_news) = self.hold_back(model, id, reason.to_string());
                    news |= is_news;
                    draft.quarantined.push(record);
                }
            }
        }
        draft.dropped = dropped.len();
        draft.left_scope = self.leave_scope(dropped, request.scopes);
        if !operations.is_empty() {
            self.last_batch += 1;
            let batch = BatchId {
                replica,
                sequence: self.last_batch,
            };
            draft.intent = Some(Intent { batch, operations });
            self.in_flight.clone_from(&draft.intent);
        }
        let wrote = draft.intent.is_some() || draft.dropped > 0 || news;
        (draft, wrote)
    }

    /// What the acknowledgement changed, and whether anything was written.
    pub(super) fn acknowledge(&mut self, intent: &Intent, scopes: &Scopes) -> (Acknowledged, bool) {
        let Some(sent) = self.take_in_flight(intent) else {
            return (Acknowledged::default(), false);
        };
        let mut rows = Vec::with_capacity(sent.operations.len());
        let recorded = if off(Rule::SentHash) { intent } else { &sent };
        for operation in &recorded.operations {
            let table = self.table(operation.model);
            table.held_back.remove(&operation.id);
            match operation.record.sent {
                Some(hash) => table.known.insert(operation.id.clone(), hash),
                None => table.known.remove(&operation.id),
            };
            table.kept.remove(&operation.id);
            if let Some(covered) = operation.record.covers {
                table.drop_entries(&operation.id, Some(covered));
            }
            rows.push(RowRef {
                model: operation.model,
                id: operation.id.clone(),
            });
        }
        let left_scope = self.leave_scope(rows, scopes);
        let before = self.acknowledged.replace(sent.batch.sequence);
        self.retain(before, sent);
        (Acknowledged { left_scope }, true)
    }

    /// Whether anything was written.
    pub(super) fn discard(&mut self, intent: &Intent, rejected: &[Quarantined]) -> bool {
        let Some(refused) = self.take_in_flight(intent) else {
            return false;
        };
        for (record, id) in rejected
            .iter()
            .filter_map(|record| Some((record, record.id.as_ref()?)))
        {
            let operation = refused.operations.iter().find(|operation| {
                operation.model.collection() == record.model.collection() && operation.id == *id
            });
            let table = self.table(record.model);
            let last = operation
                .and_then(|operation| operation.record.covers)
                .or_else(|| table.last_entry(id));
            self.hold(record.model, id, (last, record.reason.clone(), true));
        }
        true
    }

    /// Takes the intent in flight. `None` when this one was settled before, as a repetition after an unclear end finds it.
    fn take_in_flight(&mut self, intent: &Intent) -> Option<Intent> {
        let in_flight = self.in_flight.take()?;
        assert_eq!(
            in_flight.batch, intent.batch,
            "only the intent in flight is settled"
        );
        Some(in_flight)
    }

    /// The rows to look at: dirty ones, longest waiting first, then those no store has met, parents first.
    fn to_send(&self, models: &[&'static ModelDescriptor], request: DraftRequest<'_>) -> Vec<RowRef> {
        let mut sending: Vec<_> = models
            .iter()
            .copied()
            .filter(|model| model.direction().sends())
            .collect();
        sending.sort_by_key(|model| self.depth(model));
        let tables: Vec<_> = sending
            .iter()
            .filter_map(|model| self.tables.get(model.collection()))
            .collect();
        let mut dirty = Vec::new();
        for table in &tables {
            for (id, entries) in &table.outbox {
                if !table.is_held_back(id) {
                    let row = RowRef {
                        model: table.model,
                        id: id.clone(),
                    };
                    dirty.push((entries.first().map(|entry| entry.seq), row));
                }
            }
        }
        dirty.sort_by_key(|(first, _)| *first);
        let mut rows: Vec<_> = dirty.into_iter().map(|(_, row)| row).collect();
        for table in tables.iter().filter(|table| request.seeds(table.model)) {
            // Those that were refused are tried again even where all others are done.
            let unmet = table
                .unmet()
                .filter(|id| !table.seeded || table.held_back.contains_key(*id));
            rows.extend(unmet.map(|id| RowRef {
                model: table.model,
                id: id.clone(),
            }));
        }
        rows
    }

    fn outbound_of(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
    ) -> Result<Outbound, RowError> {
        let state = self.table(model).state(id)?;
        outbound(model, id, state)
    }

    /// Whether that is news: what the store has refused just now always is.
    fn hold(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        (last, reason, refused): (Option<OutboxSeq>, String, bool),
    ) -> bool {
        let now = self.now();
        let held_back = &mut self.table(model).held_back;
        let before = held_back.get(id);
        let news = refused
            || before.is_none_or(|held| {
                held.again == Again::Asked || (held.last, &held.reason) != (last, &reason)
            });
        let held = HeldBack {
            last,
            reason,
            attempts: before.map_or(0, |held| held.attempts) + u64::from(news),
            since: before.map_or(now, |held| held.since),
            again: Again::No,
        };
        held_back.insert(id.clone(), held);
        news
    }

    fn hold_back(
        &mut self,
        model: &'static ModelDescriptor,
        id: DocumentId,
        reason: String,
    ) -> (Quarantined, bool) {
        let table = self.table(model);
        let last = table.last_entry(&id);
        let news = self.hold(model, &id, (last, reason.clone(), false));
        let quarantined = Quarantined {
            model,
            id: Some(id),
            way: Way::Outbound,
            reason,
        };
        (quarantined, news)
    }
}
