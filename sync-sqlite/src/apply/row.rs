//! One document meets one row: [`Table`] reads what is durable about the row, asks `merge::inbound`, and carries the answer out.

mod answers;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::LeftScope,
    intent::OutboxSeq,
    merge::{EntriesChange, Inbound, KnownChange, Pending, RowChange, RowState, inbound},
    repository::{Incoming, Remote},
    scope::Belongs,
};

use super::{
    foreign_keys::{self, ForeignKey},
    guard,
    pass::{Failure, Pass},
    work::Work,
};
use crate::{
    draft::read_row,
    known::{KEPT, KnownWrite, content_key},
    layout::kind,
    native::{Native, NativeError, Statement},
    outbox::{self, NewEntry, canonical},
    scope::{self, Follower},
    state::{Fault, Memory, ModelSql, Session},
};

/// The statements for one table, prepared when first needed.
pub(super) struct Table<'n> {
    native: &'n Native<'n>,
    session: &'n Session,
    sql: &'n ModelSql,
    model: usize,
    /// Triggers are off: nothing is captured anyway.
    silent: bool,
    select: Option<Statement<'n>>,
    insert: Option<Statement<'n>>,
    insert_if_absent: Option<Statement<'n>>,
    update: Option<Statement<'n>>,
    delete: Option<Statement<'n>>,
    newest: Option<Statement<'n>>,
    raise: Option<Statement<'n>>,
    /// The id columns of the row at hand: room that is used again for each.
    key: Vec<ColumnValue>,
    /// The row before its document was put in, where triggers may answer that.
    before: Option<Image>,
    /// Foreign keys, once a row leaves the scope.
    keys: Option<Vec<ForeignKey>>,
}

/// What a row change came to.
enum Change {
    None,
    Row,
    /// With these others.
    Left(Vec<Follower>),
}

/// What was read of a row before the decision.
struct Found {
    state: RowState,
    /// `None`: it was not looked at.
    exists: Option<bool>,
}

impl<'n> Table<'n> {
    pub(super) fn open(
        native: &'n Native<'n>,
        session: &'n Session,
        (model, silent): (usize, bool),
    ) -> Result<Self, Fault> {
        Ok(Self {
            native,
            session,
            sql: &session.models()[model],
            model,
            silent,
            select: None,
            insert: None,
            insert_if_absent: None,
            update: None,
            delete: None,
            newest: None,
            raise: None,
            key: Vec::new(),
            before: None,
            keys: None,
        })
    }

    /// Reads outbox entries that this transaction itself has caused.
    pub(super) fn catch_up(&mut self, memory: &mut Memory) -> Result<(), Fault> {
        let newest = match &mut self.newest {
            Some(newest) => newest,
            none => none.insert(self.native.prepare(&outbox::newest_sql(self.sql))?),
        };
        let outbox = &mut memory.models[self.model].outbox;
        if outbox.newest_seen() != Some(outbox::read_newest(newest)?) {
            outbox.read(self.native, self.sql)?;
        }
        Ok(())
    }

    /// Applies one item.
    pub(super) fn apply(
        &mut self,
        memory: &mut Memory,
        pass: &mut Pass,
        (at, work): (usize, &Work<'_>),
    ) -> Result<(), Fault> {
        if !self.silent {
            self.catch_up(memory)?;
        }
        let remote = match &work.item.incoming {
            Incoming::Absent => None,
            Incoming::Present(remote) => Some(remote),
            Incoming::Unreadable { belongs, .. }
                if *belongs == Belongs::Elsewhere && self.has_never_heard_of(memory, work)? =>
            {
                None
            }
            Incoming::Unreadable { reason, .. } => {
                pass.failures.push((at, Failure::Unreadable(reason.to_string())));
                return Ok(());
            }
        };
        let mut key = std::mem::take(&mut self.key);
        if let Err(reason) = self.sql.model.put_id_columns(&work.item.id, &mut key) {
            pass.failures.push((at, Failure::Unreadable(reason.to_string())));
            return Ok(());
        }
        match self.meet(memory, pass, (work, &key, remote))? {
            Ok((decision, change)) => self.record(memory, pass, (at, work, &key), (decision, change))?,
            Err(failure) => pass.failures.push((at, failure)),
        }
        self.key = key;
        Ok(())
    }

    /// Whether there is neither a row of this id nor anything agreed on or unsent.
    fn has_never_heard_of(&mut self, memory: &Memory, work: &Work<'_>) -> Result<bool, Fault> {
        let known = memory.known(self.model);
        let of_model = &memory.models[self.model];
        if known.get(work.id).is_some() || known.is_kept(work.id) || of_model.outbox.get(work.id).is_some() {
            return Ok(false);
        }
        let Ok(key) = self.sql.model.id_to_columns(&work.item.id) else {
            return Ok(false);
        };
        let found = self.find(memory, work, (&key, true))?;
        Ok(found.is_ok_and(|found| found.state.row.is_none()))
    }

    /// Decides, and changes the row.
    fn meet(
        &mut self,
        memory: &Memory,
        pass: &mut Pass,
        (work, key, remote): (&Work<'_>, &[ColumnValue], Option<&Remote>),
    ) -> Result<Result<(Inbound, Change), Failure>, Fault> {
        let model = self.sql.model;
        let decide = |state: &RowState| match remote {
            Some(remote) if work.restores => Inbound::restored(remote),
            remote => inbound(model, &work.item.id, state, remote),
        };
        let known = memory.known(self.model).get(work.id);
        let clean =
            !self.sql.model.direction().sends() || memory.models[self.model].outbox.get(work.id).is_none();
        if clean && known.is_none() && self.silent && !memory.known(self.model).is_kept(work.id) {
            // Mostly the row is new: then one statement finds that out and puts it in.
            let decision = decide(&RowState::default());
            if let RowChange::Put(image) = &decision.row
                && self.inserted_if_absent(key, image)?
            {
                return Ok(Ok((decision, Change::Row)));
            }
        }
        let found = match self.find(memory, work, (key, clean))? {
            Ok(found) => found,
            Err(reason) => {
                return Ok(Err(Failure::Unreadable(format!(
                    "the row in the table: {reason}"
                ))));
            }
        };
        let decision = decide(&found.state);
        self.before = found.state.row.filter(|_| self.sql.unguarded_triggers);
        Ok(
            match self.change_row((memory, pass), (key, &decision, found.exists))? {
                Ok(change) => Ok((decision, change)),
                Err(failure) => Err(failure),
            },
        )
    }

    /// Whether the row was absent and is there now.
    fn inserted_if_absent(&mut self, key: &[ColumnValue], image: &Image) -> Result<bool, Fault> {
        let insert = match &mut self.insert_if_absent {
            Some(insert) => insert,
            none => none.insert(self.native.prepare(&self.sql.insert_if_absent)?),
        };
        match run(insert, key, image) {
            Ok(()) => Ok(self.native.changes() > 0),
            // The slow way says whether the row or a constraint is in the way.
            Err(error) if error.is_constraint() => Ok(false),
            Err(error) => match Failure::of_row(self.native, error)? {
                Failure::Constraint(_) | Failure::Waits(_) | Failure::Unreadable(_) => Ok(false),
            },
        }
    }

    /// Reads what the decision needs: nothing of a row that is clean and known.
    fn find(
        &mut self,
        memory: &Memory,
        work: &Work<'_>,
        (key, clean): (&[ColumnValue], bool),
    ) -> Result<Result<Found, String>, Fault> {
        let known = memory.known(self.model).get(work.id);
        let vanished = clean && memory.models[self.model].vanished.contains(&work.id);
        // A trigger that answers may be caught in an exchange of answers: that is told from the row as it was.
        let answered = self.sql.unguarded_triggers && !self.silent;
        if clean && known.is_some() && !vanished && !answered {
            let state = RowState {
                known,
                ..RowState::default()
            };
            return Ok(Ok(Found { state, exists: None }));
        }
        let select = match &mut self.select {
            Some(select) => select,
            none => none.insert(self.native.prepare(&self.sql.select_row)?),
        };
        let row = match read_row(select, self.sql, key)? {
            Ok(row) => row,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut pending = None;
        let entries = memory.models[self.model].outbox.get(work.id).filter(|_| !clean);
        if let Some(entries) = entries {
            let base = match outbox::base_image(self.native, self.sql, entries) {
                Ok(None) => None,
                Ok(Some(image)) => Some(Ok(image)),
                Err(error) => Some(Err(error)),
            };
            let base = match base.map(|image| canonical(self.sql, image)).transpose()? {
                Some(Err(reason)) => return Ok(Err(reason)),
                Some(Ok(image)) => Some(image),
                None => None,
            };
            pending = Some(Pending {
                base,
                inserted: entries.inserted(),
                last: OutboxSeq(entries.last()),
            });
        }
        if vanished && row.is_none() {
            // Deleted while no trigger watched: the document it meets is the base of that.
            pending = Some(Pending {
                base: None,
                inserted: false,
                last: OutboxSeq(0),
            });
        }
        let exists = Some(row.is_some());
        let state = RowState { row, pending, known };
        Ok(Ok(Found { state, exists }))
    }

    fn change_row(
        &mut self,
        (memory, pass): (&Memory, &mut Pass),
        (key, decision, exists): (&[ColumnValue], &Inbound, Option<bool>),
    ) -> Result<Result<Change, Failure>, Fault> {
        let outcome = match &decision.row {
            RowChange::Keep => return Ok(Ok(Change::None)),
            RowChange::Put(image) => {
                if !self.silent {
                    self.raise(pass, Some(key))?;
                }
                self.put(key, image, exists).map(|()| Change::Row)
            }
            RowChange::Delete => {
                self.raise(pass, Some(key))?;
                self.delete(key)
                    .map(|deleted| if deleted { Change::Row } else { Change::None })
            }
            RowChange::Leave => {
                let followers = match self.followers(memory, key)? {
                    Ok(followers) => followers,
                    Err(reason) => return Ok(Err(Failure::Waits(reason))),
                };
                self.raise(pass, None)?;
                self.delete(key).map(|deleted| {
                    if deleted {
                        Change::Left(followers)
                    } else {
                        Change::None
                    }
                })
            }
        };
        match outcome {
            Ok(change) => Ok(Ok(change)),
            Err(error) => Failure::of_row(self.native, error).map(Err),
        }
    }

    /// What goes with the row of `key`, or why it must stay for now.
    fn followers(
        &mut self,
        memory: &Memory,
        key: &[ColumnValue],
    ) -> Result<Result<Vec<Follower>, String>, Fault> {
        let keys = match &mut self.keys {
            Some(keys) => keys,
            none => none.insert(foreign_keys::all(self.native)?),
        };
        scope::followers(self.native, (self.session, memory), keys, (self.model, key))
    }

    fn raise(&mut self, pass: &mut Pass, key: Option<&[ColumnValue]>) -> Result<(), NativeError> {
        assert!(!self.silent, "a guard is of no use while triggers are off");
        pass.guarded = true;
        match key {
            Some(key) => {
                let raise = match &mut self.raise {
                    Some(raise) => raise,
                    none => none.insert(guard::prepare_raise(self.native, self.sql)?),
                };
                raise.run_with_row(key, &[])
            }
            None => guard::raise_for_everything(self.native),
        }
    }

    /// Writes the row. An upsert would do, but it fires the insert triggers of the app, and checks NOT NULL of unmapped columns, for rows that exist.
    fn put(&mut self, key: &[ColumnValue], image: &Image, exists: Option<bool>) -> Result<(), NativeError> {
        if exists != Some(false) {
            let Some(update_row) = &self.sql.update_row else {
                let insert = match &mut self.insert_if_absent {
                    Some(insert) => insert,
                    none => none.insert(self.native.prepare(&self.sql.insert_if_absent)?),
                };
                return run(insert, key, image);
            };
            let update = match &mut self.update {
                Some(update) => update,
                none => none.insert(self.native.prepare(update_row)?),
            };
            run(update, key, image)?;
            if self.native.changes() > 0 {
                return Ok(());
            }
        }
        let insert = match &mut self.insert {
            Some(insert) => insert,
            none => none.insert(self.native.prepare(&self.sql.insert_row)?),
        };
        run(insert, key, image)
    }

    fn delete(&mut self, key: &[ColumnValue]) -> Result<bool, NativeError> {
        let delete = match &mut self.delete {
            Some(delete) => delete,
            none => none.insert(self.native.prepare(&self.sql.delete_row)?),
        };
        delete.run_with_row(key, &[])?;
        Ok(self.native.changes() > 0)
    }

    /// Everything beside the row: outbox entries, known set, reports.
    fn record(
        &mut self,
        memory: &mut Memory,
        pass: &mut Pass,
        (at, work, key): (usize, &Work<'_>, &[ColumnValue]),
        (decision, change): (Inbound, Change),
    ) -> Result<(), Fault> {
        let kept = self.keeps(work, &decision);
        let already = kept && memory.known(self.model).is_kept(work.id);
        let of_model = &mut memory.models[self.model];
        of_model.vanished.remove(&work.id);
        if of_model.troubles.concern_inbound(work.id) {
            pass.wrote |= of_model
                .troubles
                .clear_inbound(self.native, self.sql, &work.item.id)?;
            // Without a document it may be a row to seed.
            (of_model.seeding.ended, of_model.seeding.after) = (false, None);
        }
        if decision.is_nothing() || (already && decision.entries == EntriesChange::Keep) {
            pass.unchanged += 1;
            return Ok(());
        }
        pass.wrote |= !matches!((&change, &decision.entries), (Change::None, EntriesChange::Keep));
        match change {
            Change::None => {}
            Change::Row => pass.changed.push(at),
            Change::Left(followers) => {
                pass.left_scope += 1;
                pass.changed.push(at);
                let parked = scope::park(self.native, self.session, (memory, self.model), followers)?;
                pass.parked.extend(parked);
            }
        }
        let of_model = &mut memory.models[self.model];
        match &decision.entries {
            EntriesChange::Keep => {}
            EntriesChange::Drop => of_model
                .outbox
                .drop_entries(self.native, self.sql, work.id, None)?,
            EntriesChange::Rebase(Some(base)) if of_model.outbox.get(work.id).is_none() => {
                let entry = NewEntry {
                    kind: kind::DELETE,
                    key,
                    base: Some(base),
                };
                outbox::append(self.native, self.sql, entry)?;
            }
            EntriesChange::Rebase(base) => {
                of_model
                    .outbox
                    .rebase(self.native, self.sql, work.id, base.as_ref())?;
            }
        }
        let clean = of_model.outbox.get(work.id).is_none();
        if let RowChange::Put(image) = &decision.row
            && clean
            && self.sql.user_triggers
        {
            self.capture_what_triggers_did((memory, pass), work, (key, image))?;
            pass.wrote = true;
        }
        if let Some(conflict) = decision.conflict {
            pass.wrote = true;
            pass.conflicts.push((self.model, conflict));
        }
        let hash = match decision.known {
            KnownChange::Keep => return Ok(()),
            KnownChange::Set(hash) => Some(content_key(hash)),
            KnownChange::Forget => kept.then_some(KEPT),
        };
        memory.write_known(KnownWrite {
            model: self.model,
            id: work.id,
            hash,
        });
        Ok(())
    }

    /// Whether the row stays although its document has left the scope.
    fn keeps(&self, work: &Work<'_>, decision: &Inbound) -> bool {
        self.sql.model.left_scope() == LeftScope::Keep
            && decision.known == KnownChange::Forget
            && matches!(work.item.incoming, Incoming::Present(_))
    }
}

fn run(statement: &mut Statement<'_>, key: &[ColumnValue], image: &Image) -> Result<(), NativeError> {
    statement.run_with_row(key, image.columns())
}
