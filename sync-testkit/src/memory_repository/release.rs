//! Rows and documents leave the quarantine; and what people ask about one row.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{ModelDescriptor, RowError},
    document::Document,
    explain::{ConflictReport, RowTrace, TracedEntry},
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, OutboxSeq, Record, ReplicaId, Undo},
    live::Origin,
    merge::{Conflict, ConflictKind, FieldConflict, Outbound, Pending, RowState, outbound},
    quarantine::{Content, QuarantineRecord, Release, Released},
    repository::{RowRef, Way},
};

use super::{
    CaptureKind,
    durable::{Again, Durable, HeldBack, Table, Unreadable},
};

impl Durable {
    pub(super) fn quarantine_records(&self, models: &[&'static ModelDescriptor]) -> Vec<QuarantineRecord> {
        let tables = models
            .iter()
            .filter_map(|model| self.tables.get(model.collection()));
        let mut records: Vec<_> = tables.flat_map(Table::records).collect();
        records.sort_by_key(|record| record.since);
        records
    }

    pub(super) fn reports(&self) -> Vec<ConflictReport> {
        let pairs = self.conflict_times.iter().zip(&self.conflicts);
        pairs
            .map(|(at, conflict)| ConflictReport {
                at: *at,
                conflict: conflict.clone(),
            })
            .collect()
    }

    pub(super) fn trace(&self, row: &RowRef) -> RowTrace {
        let mut trace = RowTrace {
            conflicts: self.reports(),
            ..RowTrace::default()
        };
        trace.conflicts.retain(|report| {
            report.conflict.collection == row.model.collection() && report.conflict.id == row.id
        });
        let Some(table) = self.tables.get(row.model.collection()) else {
            return trace;
        };
        trace.exists = table.rows.contains_key(&row.id);
        let entries = table.outbox.get(&row.id).into_iter().flatten();
        trace.entries = entries
            .map(|entry| TracedEntry {
                seq: entry.seq,
                change: match entry.kind {
                    CaptureKind::Insert => "insert",
                    CaptureKind::Update => "update",
                    CaptureKind::Delete => "delete",
                },
            })
            .collect();
        trace.local = table.is_local(&row.id);
        trace.known = table.known.get(&row.id).copied();
        trace.parked = table
            .parked
            .get(&row.id)
            .map(|reason| (std::time::SystemTime::UNIX_EPOCH, reason.clone()));
        trace.quarantined = table.records();
        trace
            .quarantined
            .retain(|record| record.id.as_ref() == Some(&row.id));
        trace.ignored = table.ignored.get(&row.id).map(|ignored| ignored.since);
        trace
    }

    /// The caller takes back what a release that was not done has changed.
    pub(super) fn carry_out(&mut self, row: &RowRef, release: &Release, replica: ReplicaId) -> Released {
        assert!(
            self.in_flight.is_none(),
            "nothing leaves the quarantine while an intent is in flight"
        );
        let (model, id) = (row.model, &row.id);
        match release {
            Release::Retry => done_if(self.table(model).try_again(id)),
            Release::Discard(Way::Inbound) => {
                let now = self.now();
                let table = self.table(model);
                let Some(unreadable) = table.unreadable.remove(id) else {
                    return Released::NotThere;
                };
                table.ignored.insert(
                    id.clone(),
                    Unreadable {
                        since: now,
                        ..unreadable
                    },
                );
                Released::done()
            }
            Release::Discard(Way::Outbound) => self.give_up(model, id),
            Release::EditRow(columns) => self.edit_row(model, id, columns),
            Release::EditDocument(document) => self.edit_document(row, document, replica),
        }
    }

    fn give_up(&mut self, model: &'static ModelDescriptor, id: &DocumentId) -> Released {
        let table = self.table(model);
        if !table.held_back.contains_key(id) {
            return Released::NotThere;
        }
        let Some(first) = table.outbox.get(id).and_then(|entries| entries.first()) else {
            return Released::Refused(
                "the row is older than the mirror, so there is no local change to give up; delete or change it".to_owned(),
            );
        };
        let (base, row) = (first.old.clone(), table.rows.get(id).cloned());
        if let Some(base) = &base {
            if let Err(violation) = self.check(model, id, base) {
                return Released::Refused(violation.to_string());
            }
            self.table(model).rows.insert(id.clone(), base.clone());
        } else {
            match self.cascade_of(model, id) {
                Ok(cascade) => {
                    for child in cascade {
                        self.erase_captured(child.model, &child.id);
                    }
                }
                Err(violation) => return Released::Refused(violation.to_string()),
            }
            self.table(model).rows.remove(id);
        }
        self.touch(model, id, Origin::Remote);
        let table = self.table(model);
        table.drop_entries(id, None);
        table.held_back.remove(id);
        let fields = model.fields().iter().enumerate();
        let differing = fields.filter_map(|(at, field)| {
            let local = row.as_ref().map(|row| row[at].clone());
            let remote = base.as_ref().map(|base| base[at].clone());
            (local != remote).then_some(FieldConflict {
                field: field.document_name(),
                local,
                remote,
            })
        });
        let conflict = Conflict {
            collection: model.collection(),
            id: id.clone(),
            kind: ConflictKind::LocalDiscarded,
            fields: differing.collect(),
        };
        self.report(conflict.clone());
        Released::Done {
            conflict: Some(conflict),
            intent: None,
        }
    }

    fn edit_row(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        columns: &[(String, ColumnValue)],
    ) -> Released {
        if !self.table(model).try_again(id) {
            return Released::NotThere;
        }
        let Some(old) = self.table(model).rows.get(id).cloned() else {
            return Released::Refused("the row does not exist".to_owned());
        };
        let mut image = old.clone();
        for (name, value) in columns {
            let Some(at) = model.fields().iter().position(|field| field.column() == name) else {
                return Released::Refused(format!("no field has the column `{name}`"));
            };
            image.columns_mut()[at] = value.clone();
        }
        match self.put_captured(model, id, (Some(old), image)) {
            Ok(()) => Released::done(),
            Err(reason) => Released::Refused(reason),
        }
    }

    fn put_captured(
        &mut self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        (old, image): (Option<Image>, Image),
    ) -> Result<(), String> {
        if old.as_ref() == Some(&image) {
            return Ok(());
        }
        self.check(model, id, &image)
            .map_err(|violation| violation.to_string())?;
        self.table(model).rows.insert(id.clone(), image);
        let kind = match old {
            Some(_) => CaptureKind::Update,
            None => CaptureKind::Insert,
        };
        self.capture(model, id, kind, old);
        Ok(())
    }

    fn edit_document(&mut self, row: &RowRef, edited: &Document, replica: ReplicaId) -> Released {
        let RowRef { model, id } = row;
        let Some(found) = self.table(model).unreadable.get(id).cloned() else {
            return Released::NotThere;
        };
        if !model.direction().sends() {
            return Released::Refused(
                "the model only receives; mend the document on a device that sends it".to_owned(),
            );
        }
        match self.write_over(row, found.document.as_ref(), edited) {
            Err(reason) => Released::Refused(reason),
            Ok(operation) => {
                self.table(model).unreadable.remove(id);
                let Some(operation) = operation else {
                    return Released::done();
                };
                self.last_batch += 1;
                let intent = Intent {
                    batch: BatchId {
                        replica,
                        sequence: self.last_batch,
                    },
                    operations: vec![operation],
                };
                self.in_flight = Some(intent.clone());
                Released::Done {
                    conflict: None,
                    intent: Some(intent),
                }
            }
        }
    }

    /// Makes the edited document the row, and what writes it over the one found; `None` when that is the same.
    fn write_over(
        &mut self,
        RowRef { model, id }: &RowRef,
        found: Option<&Document>,
        edited: &Document,
    ) -> Result<Option<Operation>, String> {
        let model = *model;
        let refused = |reason: RowError| reason.to_string();
        model.id_to_columns(id).map_err(refused)?;
        let whole = QuarantineRecord::whole_document(model, id, edited).map_err(refused)?;
        let image = model.image_of(&whole).map_err(refused)?;
        let old = self.table(model).rows.get(id).cloned();
        self.put_captured(model, id, (old, image.clone()))?;
        let table = self.table(model);
        let last = table.last_entry(id);
        let expect = QuarantineRecord::expect(model, found);
        if let (Expect::Hash(hash), Some(found)) = (expect, found) {
            let pending = Pending {
                base: Some(model.image_of(found).map_err(refused)?),
                inserted: false,
                last: last.unwrap_or(OutboxSeq(0)),
            };
            let state = RowState {
                row: Some(image),
                pending: Some(pending),
                known: Some(hash),
            };
            return match outbound(model, id, state).map_err(refused)? {
                Outbound::Send(operation) => Ok(Some(*operation)),
                Outbound::Local => Err("its scope fields are NULL, so it would belong nowhere".to_owned()),
                Outbound::Nothing | Outbound::Drop(_) => {
                    table.drop_entries(id, None);
                    table.known.insert(id.clone(), hash);
                    Ok(None)
                }
            };
        }
        let base = match table.known.get(id) {
            Some(_) => table
                .state(id)
                .ok()
                .and_then(|state| state.pending)
                .and_then(|pending| pending.base),
            None => None,
        };
        Ok(Some(Operation {
            model,
            id: id.clone(),
            expect,
            action: Action::Insert(whole),
            record: Record {
                covers: last,
                sent: Some(ContentHash::of(model, &image)),
                undo: Undo::Insert {
                    base,
                    sent: Some(image),
                },
            },
        }))
    }
}

impl Table {
    fn try_again(&mut self, id: &DocumentId) -> bool {
        let held = self.held_back.get_mut(id);
        let is_held = held.is_some();
        if let Some(held) = held {
            held.again = Again::Asked;
        }
        let unreadable = self.unreadable.get_mut(id);
        let is_unreadable = unreadable.is_some();
        if let Some(unreadable) = unreadable {
            unreadable.attempts += 1;
        }
        is_held || is_unreadable
    }

    fn records(&self) -> Vec<QuarantineRecord> {
        let outbound = self
            .held_back
            .iter()
            .map(|(id, held)| self.outbound_record(id, held));
        let inbound = self.unreadable.iter().map(|(id, unreadable)| QuarantineRecord {
            model: self.model,
            id: Some(id.clone()),
            way: Way::Inbound,
            reason: unreadable.reason.clone(),
            content: Content::Document(unreadable.document.clone()),
            attempts: unreadable.attempts,
            since: unreadable.since,
        });
        outbound.chain(inbound).collect()
    }

    fn outbound_record(&self, id: &DocumentId, held: &HeldBack) -> QuarantineRecord {
        let columns = self.rows.get(id).map(|row| row.columns().to_vec());
        QuarantineRecord {
            model: self.model,
            id: Some(id.clone()),
            way: Way::Outbound,
            reason: held.reason.clone(),
            content: Content::Row {
                key: self.model.id_to_columns(id).unwrap_or_default(),
                columns,
            },
            attempts: held.attempts,
            since: held.since,
        }
    }
}

fn done_if(there: bool) -> Released {
    if there {
        Released::done()
    } else {
        Released::NotThere
    }
}
