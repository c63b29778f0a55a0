//! Rows and documents leave the quarantine: [`release`].
//!
//! Not here: how they got in (`draft`, `acknowledge`, `apply`), and what the quarantine keeps (`quarantine`).

use ditto_sync_core::{
    column::{ColumnValue, Image},
    document::Document,
    hash::{ContentHash, IdHash},
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, OutboxSeq, Record, Undo},
    merge::{Conflict, ConflictKind, FieldConflict, Outbound, Pending, RowState, outbound},
    quarantine::{QuarantineRecord, Release, Released},
    repository::{RepositoryError, RowRef, Way},
};
use libsqlite3_sys::{SQLITE_MISMATCH, SQLITE_TOOBIG};

use crate::{
    apply::guard,
    codec::RawRecord,
    connection::{Durability, Reader, Writer},
    draft::read_row,
    known::{KnownWrite, content_key, id_key},
    native::{Native, NativeError},
    outbox::{self, read_image},
    quarantine,
    schema::identifier::quoted,
    state::{Fault, Memory, ModelSql, Session, on_native},
};

/// Retries, edits or discards what is in quarantine of one row.
pub(crate) async fn release(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    row: &RowRef,
    release: &Release,
) -> Result<Released, RepositoryError> {
    const ACTION: &str = "release a record from quarantine";
    let mut memory = session.memory().await;
    let model = session.position(row.model)?;
    session.load_known(reader, &mut memory, &[model]).await?;
    let durability = match release {
        Release::EditDocument(_) => Durability::Full,
        _ => Durability::Normal,
    };
    let mut transaction = session.begin(writer, &mut memory, (ACTION, durability)).await?;
    let outcome = on_native(&mut transaction, ACTION, |native| {
        let releasing = Releasing {
            native,
            session,
            model,
            sql: &session.models()[model],
            id: &row.id,
        };
        match releasing.carry_out(&mut memory, release) {
            Ok(released) => Ok(released),
            Err(Obstacle::Refused(reason)) => Ok(Released::Refused(reason)),
            Err(Obstacle::Fault(fault)) => Err(fault),
        }
    })
    .await?;
    match outcome {
        Released::Done { .. } => session.commit(transaction, &mut memory, ACTION).await?,
        // Whatever was tried is undone; the memory stays in doubt, and is read again.
        Released::NotThere | Released::Refused(_) => transaction.rollback().await?,
    }
    Ok(outcome)
}

/// Why a release did not come to be.
enum Obstacle {
    Refused(String),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Obstacle {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

struct Releasing<'a> {
    native: &'a Native<'a>,
    session: &'a Session,
    model: usize,
    sql: &'a ModelSql,
    id: &'a DocumentId,
}

impl Releasing<'_> {
    fn carry_out(&self, memory: &mut Memory, release: &Release) -> Result<Released, Obstacle> {
        match release {
            Release::Retry => self.retry(memory),
            Release::Discard(Way::Inbound) => {
                let troubles = &mut memory.models[self.model].troubles;
                let there = troubles.discard_inbound(self.native, self.sql, self.id)?;
                Ok(done_if(there))
            }
            Release::Discard(Way::Outbound) => self.give_up(memory),
            Release::EditRow(columns) => self.edit_row(memory, columns),
            Release::EditDocument(document) => self.edit_document(memory, document),
        }
    }

    fn retry(&self, memory: &mut Memory) -> Result<Released, Obstacle> {
        let of_model = &mut memory.models[self.model];
        if !of_model.troubles.try_again(self.native, self.sql, self.id)? {
            return Ok(Released::NotThere);
        }
        let dirty = of_model.outbox.get(self.key()).is_some();
        of_model.seeding = Default::default();
        if !dirty && memory.persisted.seeded[self.model] {
            // A row that no trigger has seen is found by a seeding pass only.
            memory
                .persisted
                .set_seeded(self.native, self.sql, (self.model, false))?;
        }
        Ok(Released::done())
    }

    /// The row goes back to its base, and the entries go. Captured by nobody, but for what cascades.
    fn give_up(&self, memory: &mut Memory) -> Result<Released, Obstacle> {
        if !memory.models[self.model].troubles.holds(self.id) {
            return Ok(Released::NotThere);
        }
        let Some(entries) = memory.models[self.model].outbox.get(self.key()) else {
            return Err(Obstacle::Refused(
                "the row is older than the mirror, so there is no local change to give up; delete or change it".to_owned(),
            ));
        };
        let base = self.raw_base(entries)?;
        let columns = self.key_columns()?;
        let row = self.raw_row(&columns)?;
        let mut raise = guard::prepare_raise(self.native, self.sql)?;
        raise.run_with_row(&columns, &[])?;
        drop(raise);
        match &base {
            Some(base) => self.put(&columns, base)?,
            None => {
                let mut delete = self.native.prepare(&self.sql.delete_row)?;
                self.allowed(delete.run_with_row(&columns, &[]))?;
            }
        }
        guard::lower(self.native)?;
        memory.touch(self.model, self.id);
        let of_model = &mut memory.models[self.model];
        of_model
            .outbox
            .drop_entries(self.native, self.sql, self.key(), None)?;
        of_model.troubles.clear_outbound(self.native, self.sql, self.id)?;
        let conflict = self.what_is_lost(row.as_ref(), base.as_ref());
        quarantine::record_conflicts(self.native, [(self.sql, &conflict)])?;
        Ok(Released::Done {
            conflict: Some(conflict),
            intent: None,
        })
    }

    fn what_is_lost(&self, row: Option<&Image>, base: Option<&Image>) -> Conflict {
        let fields = self.sql.model.fields().iter().enumerate();
        let differing = fields.filter_map(|(at, field)| {
            let local = row.map(|row| row[at].clone());
            let remote = base.map(|base| base[at].clone());
            (local != remote).then_some(FieldConflict {
                field: field.document_name(),
                local,
                remote,
            })
        });
        Conflict {
            collection: self.sql.model.collection(),
            id: self.id.clone(),
            kind: ConflictKind::LocalDiscarded,
            fields: differing.collect(),
        }
    }

    /// A plain update, which the triggers see.
    fn edit_row(&self, memory: &mut Memory, columns: &[(String, ColumnValue)]) -> Result<Released, Obstacle> {
        let of_model = &mut memory.models[self.model];
        if !of_model.troubles.try_again(self.native, self.sql, self.id)? {
            return Ok(Released::NotThere);
        }
        let key = self.key_columns()?;
        let mut set = Vec::with_capacity(columns.len());
        for (name, _) in columns {
            let fields = self.sql.model.fields();
            if !fields.iter().any(|field| field.column() == name) {
                let known: Vec<_> = fields.iter().map(|field| field.column()).collect();
                return Err(Obstacle::Refused(format!(
                    "no field has the column `{name}`; there are {}",
                    known.join(", ")
                )));
            }
            set.push(format!("{} = ?{}", quoted(name), set.len() + 1));
        }
        if set.is_empty() {
            return Err(Obstacle::Refused("no column is given a value".to_owned()));
        }
        let fields = self.sql.model.id_fields().iter().enumerate();
        let this: Vec<_> = fields
            .map(|(at, field)| format!("{} = ?{}", quoted(field.column()), set.len() + at + 1))
            .collect();
        let mut update = self.native.prepare(&format!(
            "UPDATE main.{} SET {} WHERE {}",
            quoted(self.sql.model.table()),
            set.join(", "),
            this.join(" AND ")
        ))?;
        let values: Vec<_> = columns.iter().map(|(_, value)| value).chain(&key).collect();
        self.allowed(update.run_with(&values))?;
        if self.native.changes() == 0 {
            return Err(Obstacle::Refused("the row does not exist".to_owned()));
        }
        Ok(Released::done())
    }

    fn edit_document(&self, memory: &mut Memory, edited: &Document) -> Result<Released, Obstacle> {
        assert!(
            memory.persisted.in_flight.is_none(),
            "a document is edited when nothing is in flight"
        );
        let Some(raw) = quarantine::inbound_record(self.native, self.sql, self.id)? else {
            return Ok(Released::NotThere);
        };
        if !self.sql.model.direction().sends() {
            return Err(Obstacle::Refused(
                "the model only receives; mend the document on a device that sends it".to_owned(),
            ));
        }
        let refused = |reason: ditto_sync_core::descriptor::RowError| Obstacle::Refused(reason.to_string());
        let whole = QuarantineRecord::whole_document(self.sql.model, self.id, edited).map_err(refused)?;
        let image = self.sql.model.image_of(&whole).map_err(refused)?;
        self.put(&self.key_columns()?, &image)?;
        memory.read_outboxes(self.native, self.session.models())?;
        let operation = self.operation_over(memory, raw, (whole, image))?;
        memory.models[self.model]
            .troubles
            .clear_inbound(self.native, self.sql, self.id)?;
        let Some(operation) = operation else {
            return Ok(Released::done());
        };
        let intent = Intent {
            batch: BatchId {
                replica: memory.persisted.replica,
                sequence: memory.persisted.next_sequence,
            },
            operations: vec![operation],
        };
        memory.persisted.put_in_flight(self.native, &intent)?;
        Ok(Released::Done {
            conflict: None,
            intent: Some(intent),
        })
    }

    /// What writes the edited document over the one in the store; `None` when it is the same, and so agreed on.
    fn operation_over(
        &self,
        memory: &mut Memory,
        raw: RawRecord,
        (whole, image): (Document, Image),
    ) -> Result<Option<Operation>, Obstacle> {
        let model = self.sql.model;
        let entries = memory.models[self.model].outbox.get(self.key());
        let last = entries.map(|entries| OutboxSeq(entries.last()));
        let found = match raw {
            RawRecord::InboundColumns(columns) => Ok(Some(Image::new(columns))),
            RawRecord::Inbound(None) | RawRecord::Outbound { .. } => Ok(None),
            RawRecord::Inbound(Some(document)) => match model.image_of(&document) {
                Ok(image) => Ok(Some(image)),
                Err(_) => Err(document),
            },
        };
        let expect = match found {
            Ok(Some(found)) => return self.patch_over(memory, (found, image), last),
            Ok(None) => Expect::Absent,
            Err(document) => QuarantineRecord::expect(model, Some(&document)),
        };
        let known = memory.known(self.model).get(self.key());
        let base = match entries.filter(|_| known.is_some()) {
            Some(entries) => self
                .raw_base(entries)?
                .and_then(|base| model.canonical(base).ok()),
            None => None,
        };
        Ok(Some(Operation {
            model,
            id: self.id.clone(),
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

    /// The document in the store can be read: only what differs is sent, and its other fields stay.
    fn patch_over(
        &self,
        memory: &mut Memory,
        (found, image): (Image, Image),
        last: Option<OutboxSeq>,
    ) -> Result<Option<Operation>, Obstacle> {
        let hash = ContentHash::of(self.sql.model, &found);
        let state = RowState {
            row: Some(image),
            pending: Some(Pending {
                base: Some(found),
                inserted: false,
                last: last.unwrap_or(OutboxSeq(0)),
            }),
            known: Some(hash),
        };
        match outbound(self.sql.model, self.id, state) {
            Ok(Outbound::Send(operation)) => Ok(Some(*operation)),
            Ok(Outbound::Local) => Err(Obstacle::Refused(
                "its scope fields are NULL, so it would belong nowhere".to_owned(),
            )),
            Ok(Outbound::Nothing | Outbound::Drop(_)) => {
                memory.models[self.model]
                    .outbox
                    .drop_entries(self.native, self.sql, self.key(), None)?;
                memory.write_known(KnownWrite {
                    model: self.model,
                    id: self.key(),
                    hash: Some(content_key(hash)),
                });
                Ok(None)
            }
            Err(reason) => Err(Obstacle::Refused(reason.to_string())),
        }
    }

    /// Writes the row with its triggers on.
    fn put(&self, key: &[ColumnValue], image: &Image) -> Result<(), Obstacle> {
        let columns = image.columns();
        if let Some(update_row) = &self.sql.update_row {
            let mut update = self.native.prepare(update_row)?;
            self.allowed(update.run_with_row(key, columns))?;
            if self.native.changes() > 0 {
                return Ok(());
            }
        }
        let mut insert = self.native.prepare(match &self.sql.update_row {
            Some(_) => &self.sql.insert_row,
            None => &self.sql.insert_if_absent,
        })?;
        self.allowed(insert.run_with_row(key, columns))
    }

    /// What a constraint refuses is the asker's affair, anything else the database's.
    fn allowed(&self, outcome: Result<(), NativeError>) -> Result<(), Obstacle> {
        match outcome {
            Err(error)
                if error.is_constraint() || matches!(error.code(), Some(SQLITE_MISMATCH | SQLITE_TOOBIG)) =>
            {
                Err(Obstacle::Refused(match error {
                    NativeError::Sqlite { message, .. } => message,
                    other => other.to_string(),
                }))
            }
            other => Ok(other?),
        }
    }

    fn raw_base(&self, entries: &outbox::RowEntries) -> Result<Option<Image>, Obstacle> {
        match outbox::base_image(self.native, self.sql, entries) {
            Ok(base) => Ok(base),
            Err(NativeError::InvalidText { .. }) => Err(Obstacle::Refused(
                "the value before the change holds text that is not UTF-8; change the row instead".to_owned(),
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// The row as it is, even if it is none of the model; `None` also for text that nothing can read.
    fn raw_row(&self, key: &[ColumnValue]) -> Result<Option<Image>, Obstacle> {
        let mut select = self.native.prepare(&self.sql.select_row)?;
        if let Ok(row) = read_row(&mut select, self.sql, key)? {
            return Ok(row);
        }
        select.bind_all(key)?;
        if !select.step()? {
            return Ok(None);
        }
        Ok(read_image(&select, self.sql, 0).ok())
    }

    fn key(&self) -> u128 {
        id_key(IdHash::of(self.id))
    }

    fn key_columns(&self) -> Result<Vec<ColumnValue>, Obstacle> {
        let columns = self.sql.model.id_to_columns(self.id);
        columns.map_err(|reason| Obstacle::Refused(reason.to_string()))
    }
}

fn done_if(there: bool) -> Released {
    if there {
        Released::done()
    } else {
        Released::NotThere
    }
}
