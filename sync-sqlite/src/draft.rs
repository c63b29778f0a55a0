//! From dirty rows to the next durable intent: [`draft`].
//!
//! Not here: what to send of a row (`merge::outbound`), and rows that no store has met (`seeding`).

mod seeding;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::IdHash,
    id::DocumentId,
    intent::{BatchId, Intent, Operation, OutboxSeq},
    merge::{Outbound, Pending, RowState, leaves_scope, outbound},
    repository::{Draft, DraftRequest, DraftRows, Quarantined, RepositoryError, Way},
};

use crate::{
    codec::{self, RawRecord, RowName},
    connection::{Durability, Reader, Transaction, Writer},
    feed,
    known::id_key,
    native::{Native, NativeError, Statement},
    outbox::{self, EntryKey, canonical, read_id, read_image, read_key},
    quarantine::{self, Record},
    scope,
    state::{Fault, Memory, ModelMemory, ModelSql, SLICE_ROWS, Session, on_native},
};

/// Slices of a table looked through for rows to seed in one transaction: bounds how long the write lock is held where all rows are known.
const SEEDING_SLICES_MAX: usize = 16;

/// The first key column of an entry that is read with its image.
const KEY: usize = 2;

const ACTION: &str = "draft the next write to the store";

/// Computes the next intent and makes it durable.
pub(crate) async fn draft(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    request: DraftRequest<'_>,
) -> Result<Draft, RepositoryError> {
    let mut memory = session.memory().await;
    if !has_work(session, reader, &memory, request).await? {
        return Ok(Draft::default());
    }
    let all: Vec<_> = (0..session.models().len()).collect();
    session.load_known(reader, &mut memory, &all).await?;
    let mut drafting = Drafting::new(session, request);
    let first = |native: &Native<'_>, memory: &mut Memory| {
        assert!(
            memory.persisted.in_flight.is_none(),
            "an intent is drafted when none is in flight"
        );
        let more = drafting.slice(native, memory)?;
        let is_all = !more && request.seed.is_empty();
        let finished = is_all.then(|| drafting.finish(native, memory)).transpose()?;
        Ok((more, finished))
    };
    let what = (ACTION, Durability::Full);
    let (mut transaction, (more, finished)) = session.begin_with(writer, &mut memory, what, first).await?;
    let (draft, wrote) = match finished {
        Some(finished) => finished,
        None => drafting.go_on(&mut transaction, &mut memory, more).await?,
    };
    if wrote {
        session.commit(transaction, &mut memory, ACTION).await?;
    } else {
        memory.end_unchanged(transaction).await?;
    }
    memory.drafted();
    Ok(draft)
}

/// Whether a transaction could find anything to do: an idle call must not even take the write lock.
async fn has_work(
    session: &Session,
    reader: &Reader,
    memory: &Memory,
    request: DraftRequest<'_>,
) -> Result<bool, RepositoryError> {
    let unseeded = |model: usize| {
        let ended = memory.persisted.seeded[model] || memory.models[model].seeding.ended;
        !ended && request.seeds(session.models()[model].model)
    };
    let doubtful = memory.is_doubtful();
    for model in 0..session.models().len() {
        if unseeded(model) || (!doubtful && unsent_rows(&memory.models[model]) > 0) {
            return Ok(true);
        }
    }
    feed::has_news(session, reader, memory, ACTION).await
}

/// Dirty rows but those that cannot be sent: because of what they hold, or because their documents could not be brought in, so that whatever is sent
/// would be computed against another document and refused.
fn unsent_rows(memory: &ModelMemory) -> usize {
    if memory.unusable.is_some() {
        return 0;
    }
    let outbox = &memory.outbox;
    let unmet = memory
        .troubles
        .inbound()
        .filter(|id| outbox.get(*id).is_some())
        .count();
    let missed = outbox.missed().filter(|id| !memory.troubles.concern_inbound(*id));
    let held = memory
        .troubles
        .held()
        .filter(|(name, last)| match outbox.find(name) {
            Some((Some(id), newest)) => {
                newest == *last && !memory.troubles.concern_inbound(id) && !outbox.is_missed(id)
            }
            Some((None, newest)) => newest == *last,
            None => false,
        });
    let local = outbox.local();
    let local = local.filter(|(id, _)| !memory.troubles.concern_inbound(*id) && !outbox.is_missed(*id));
    outbox.len() - unmet - held.count() - missed.count() - local.count()
}

/// A draft in the making.
struct Drafting<'a> {
    session: &'a Session,
    request: DraftRequest<'a>,
    /// Where the search for dirty rows stands: at which model, and behind which entry.
    at: (usize, i64),
    operations: Vec<Operation>,
    /// Of them, how many leave their row clean.
    covering: usize,
    /// Dirty rows that do not come into question.
    passed_over: usize,
    /// The seeding pass has left out a row that does not come into question.
    postponed: bool,
    draft: Draft,
    wrote: bool,
}

/// A row whose entries mean nothing.
struct Meaningless {
    id: u128,
    document: DocumentId,
    key: Vec<ColumnValue>,
    row: Option<Image>,
}

/// A row that cannot be sent.
struct Unsendable {
    name: Vec<u8>,
    id: Option<DocumentId>,
    last: i64,
    reason: String,
}

impl<'a> Drafting<'a> {
    fn new(session: &'a Session, request: DraftRequest<'a>) -> Self {
        Self {
            session,
            request,
            at: (0, i64::MIN),
            operations: Vec::new(),
            covering: 0,
            passed_over: 0,
            postponed: false,
            draft: Draft::default(),
            wrote: false,
        }
    }

    fn is_only(&self) -> bool {
        matches!(self.request.rows, DraftRows::Only(_))
    }

    fn is_full(&self) -> bool {
        self.operations.len() >= self.request.operations_max
    }

    /// Looks at dirty rows where it stopped the last time, parents first; whether there may be more.
    fn slice(&mut self, native: &Native<'_>, memory: &mut Memory) -> Result<bool, Fault> {
        while let Some(&model) = self.session.order().get(self.at.0) {
            match self.dirty_rows(native, memory, (model, self.at.1))? {
                Some(after) => {
                    self.at.1 = after;
                    return Ok(true);
                }
                None => self.at = (self.at.0 + 1, i64::MIN),
            }
        }
        Ok(false)
    }

    /// The rest of a draft that is more than one slice.
    async fn go_on(
        &mut self,
        transaction: &mut Transaction,
        memory: &mut Memory,
        mut more: bool,
    ) -> Result<(Draft, bool), RepositoryError> {
        while more {
            tokio::task::yield_now().await;
            more = on_native(transaction, ACTION, |native| self.slice(native, memory)).await?;
        }
        if !self.request.seed.is_empty() {
            self.seed(transaction, memory).await?;
        }
        on_native(transaction, ACTION, |native| self.finish(native, memory)).await
    }

    /// Looks for rows that were never sent.
    async fn seed(
        &mut self,
        transaction: &mut Transaction,
        memory: &mut Memory,
    ) -> Result<(), RepositoryError> {
        let mut slices = 0;
        for &model in self.session.order() {
            while !self.is_full() && slices < SEEDING_SLICES_MAX {
                slices += 1;
                let step = |native: &Native<'_>| self.unmet_rows(native, memory, model);
                if !on_native(transaction, ACTION, step).await? {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        self.draft.more |= slices == SEEDING_SLICES_MAX;
        Ok(())
    }

    /// Looks at the dirty rows of `model` whose first entry lies behind `after`; where to go on.
    fn dirty_rows(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        (model, after): (usize, i64),
    ) -> Result<Option<i64>, Fault> {
        let sql = &self.session.models()[model];
        let of_model = &mut memory.models[model];
        if of_model.outbox.is_empty() || self.is_full() || of_model.unusable.is_some() {
            return Ok(None);
        }
        if !sql.model.direction().sends() {
            self.draft.dropped += of_model.outbox.clear(native, sql)?;
            self.wrote = true;
            return Ok(None);
        }
        let room = self.request.operations_max - self.operations.len();
        self.operations.reserve(room.min(of_model.outbox.len()));
        let (mut meaningless, mut unsendable, mut local) = (Vec::new(), Vec::new(), Vec::new());
        if after == i64::MIN {
            self.wrote |= drop_gone_nameless(native, sql, of_model)?;
            unsendable.extend(nameless_rows(of_model));
        }
        let mut entries = native.prepare(&sql.outbox.images_after)?;
        entries.bind_i64(1, after)?;
        let mut rows = native.prepare(&sql.select_row)?;
        let (mut read, mut position) = (0, None);
        while read < SLICE_ROWS && !self.is_full() {
            if !entries.step()? {
                position = None;
                break;
            }
            read += 1;
            position = Some(entries.column_i64(0));
            let Some(found) = DirtyRow::at(&entries, sql, &memory.models[model])? else {
                continue;
            };
            if !self.request.rows.admit(sql.model, found.hash) {
                self.passed_over += 1;
                continue;
            }
            match found.decide(&entries, &mut rows, (sql, memory.known(model).get(found.id)))? {
                Ok(Outbound::Send(operation)) => {
                    self.covering += usize::from(operation.record.covers.is_some());
                    self.operations.push(*operation);
                    // It has a place now, so it is no longer one of those that belong nowhere.
                    memory.models[model].seeding.local.remove(&found.id);
                }
                Ok(Outbound::Drop(row)) => meaningless.extend(found.meaningless(&entries, sql, row)?),
                Ok(Outbound::Local) => local.push(found.id),
                Ok(Outbound::Nothing) => {}
                Err(reason) => unsendable.push(found.unsendable(reason)),
            }
        }
        drop((entries, rows));
        for id in local {
            memory.models[model].outbox.keep_local(id);
        }
        self.drop_meaningless(native, memory, (model, meaningless))?;
        self.quarantine(native, memory, (model, unsendable))?;
        Ok(position)
    }

    /// Drops entries that mean nothing. Their rows are clean now, so the scope is judged.
    fn drop_meaningless(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        (model, rows): (usize, Vec<Meaningless>),
    ) -> Result<(), Fault> {
        let sql = &self.session.models()[model];
        let ids: Vec<_> = rows.iter().map(|row| (row.id, None)).collect();
        memory.models[model].outbox.drop_all(native, sql, &ids)?;
        self.draft.dropped += rows.len();
        self.wrote |= !rows.is_empty();
        for row in rows {
            let of_model = &mut memory.models[model];
            of_model.troubles.clear_outbound(native, sql, &row.document)?;
            of_model.seeding.local.remove(&row.id);
            let state = RowState {
                known: memory.known(model).get(row.id),
                row: row.row,
                pending: None,
            };
            let in_scope = state
                .row
                .as_ref()
                .is_none_or(|image| self.request.scopes.admits_row(sql.model, &row.document, image));
            if leaves_scope(&state, in_scope)
                && scope::leave(native, self.session, (memory, model), (row.id, &row.key))?
            {
                self.draft.left_scope += 1;
            }
        }
        Ok(())
    }

    fn quarantine(
        &mut self,
        native: &Native<'_>,
        memory: &mut Memory,
        (model, rows): (usize, Vec<Unsendable>),
    ) -> Result<(), Fault> {
        let sql = &self.session.models()[model];
        for row in rows {
            let record = Record {
                name: &row.name,
                way: Way::Outbound,
                reason: &row.reason,
                raw: &RawRecord::Outbound { last: row.last },
                refused: false,
            };
            self.wrote |= memory.models[model].troubles.quarantine(native, sql, &record)?;
            self.draft.quarantined.push(Quarantined {
                model: sql.model,
                id: row.id,
                way: Way::Outbound,
                reason: row.reason,
            });
        }
        Ok(())
    }

    /// Writes the intent; the draft, and whether anything was written at all.
    fn finish(&mut self, native: &Native<'_>, memory: &mut Memory) -> Result<(Draft, bool), Fault> {
        let models = self.session.models().iter().zip(&memory.models);
        let unsent: usize = models
            .filter(|(sql, _)| sql.model.direction().sends())
            .map(|(_, memory)| unsent_rows(memory))
            .sum();
        self.draft.more |= unsent > self.covering + self.passed_over && !self.is_only();
        if !self.operations.is_empty() {
            let batch = BatchId {
                replica: memory.persisted.replica,
                sequence: memory.persisted.next_sequence,
            };
            let intent = Intent {
                batch,
                operations: std::mem::take(&mut self.operations),
            };
            memory.persisted.put_in_flight(native, &intent)?;
            self.draft.intent = Some(intent);
            self.wrote = true;
        }
        Ok((std::mem::take(&mut self.draft), self.wrote))
    }
}

/// Forgets rows whose key made no id and that are gone, or have another key now; whether there were any. No store has met them.
fn drop_gone_nameless(native: &Native<'_>, sql: &ModelSql, memory: &mut ModelMemory) -> Result<bool, Fault> {
    let names: Vec<_> = memory.outbox.nameless().map(|(name, _)| name.clone()).collect();
    let mut any = false;
    for name in names {
        let RowName::Columns(key) = codec::decode(&name)? else {
            continue;
        };
        // A key that could not be read is kept as NULL, and names no row for certain.
        if key.iter().any(ColumnValue::is_null) {
            continue;
        }
        let mut select = native.prepare(&sql.select_row)?;
        select.bind_all(&key)?;
        if select.step()? {
            continue;
        }
        drop(select);
        memory.outbox.drop_nameless(native, sql, (&name, &key))?;
        memory.troubles.forget_held(native, sql, &name)?;
        any = true;
    }
    Ok(any)
}

/// Rows whose key makes no id, unless that is in the quarantine already.
fn nameless_rows(memory: &ModelMemory) -> impl Iterator<Item = Unsendable> {
    let rows = memory.outbox.nameless();
    let news = rows.filter(|(name, row)| !memory.troubles.held_name(name, row.last));
    news.map(|(name, row)| Unsendable {
        name: name.clone(),
        id: None,
        last: row.last,
        reason: row.reason.clone(),
    })
}

/// A dirty row, at its first entry.
struct DirtyRow {
    id: u128,
    hash: IdHash,
    document: DocumentId,
    inserted: bool,
    last: i64,
}

impl DirtyRow {
    /// The row whose first entry this is; `None` for later entries, and for rows known to be impossible to send.
    fn at(entries: &Statement<'_>, sql: &ModelSql, memory: &ModelMemory) -> Result<Option<Self>, Fault> {
        let Ok(document) = read_id(entries, sql, KEY)? else {
            return Ok(None);
        };
        let hash = IdHash::of(&document);
        let id = id_key(hash);
        let of_row = memory.outbox.get(id);
        let Some(of_row) = of_row.filter(|row| row.first() == entries.column_i64(0)) else {
            return Ok(None);
        };
        if memory.troubles.concern_inbound(id)
            || memory.outbox.is_missed(id)
            || memory.outbox.is_local(id)
            || memory.troubles.hold(&document, of_row.last())
        {
            return Ok(None);
        }
        Ok(Some(Self {
            id,
            hash,
            document,
            inserted: of_row.inserted(),
            last: of_row.last(),
        }))
    }

    /// What to send of it, or why it cannot be sent.
    fn decide(
        &self,
        entries: &Statement<'_>,
        rows: &mut Statement<'_>,
        (sql, known): (&ModelSql, Option<ditto_sync_core::hash::ContentHash>),
    ) -> Result<Result<Outbound, String>, Fault> {
        let mut inserted = self.inserted;
        let base = if outbox::has_image(entries.column_text(1)?) {
            match canonical(sql, read_image(entries, sql, KEY + sql.keys()))? {
                Ok(base) => Some(base),
                // It could not be seeded, so there is nothing to build on: the row, mended meanwhile, is new.
                Err(_) if known.is_none() => {
                    inserted = true;
                    None
                }
                Err(reason) => return Ok(Err(format!("the value before the change: {reason}"))),
            }
        } else {
            None
        };
        rows.bind_columns(entries, (KEY, sql.keys()))?;
        let row = match read_bound_row(rows, sql)? {
            Ok(row) => row,
            Err(reason) => return Ok(Err(reason)),
        };
        let state = RowState {
            row,
            pending: Some(Pending {
                base,
                inserted,
                last: OutboxSeq(self.last),
            }),
            known,
        };
        Ok(outbound(sql.model, &self.document, state).map_err(|reason| reason.to_string()))
    }

    fn meaningless(
        self,
        entries: &Statement<'_>,
        sql: &ModelSql,
        row: Option<Image>,
    ) -> Result<Option<Meaningless>, NativeError> {
        let EntryKey::Id(document, key) = read_key(entries, sql, KEY)? else {
            return Ok(None);
        };
        Ok(Some(Meaningless {
            id: self.id,
            document,
            key,
            row,
        }))
    }

    fn unsendable(self, reason: String) -> Unsendable {
        Unsendable {
            name: quarantine::row_name(&self.document),
            id: Some(self.document),
            last: self.last,
            reason,
        }
    }
}

/// The row with this key, canonical; the inner error says why it cannot be read as a row of the model.
pub(crate) fn read_row(
    rows: &mut Statement<'_>,
    sql: &ModelSql,
    key: &[ColumnValue],
) -> Result<Result<Option<Image>, String>, Fault> {
    rows.bind_all(key)?;
    read_bound_row(rows, sql)
}

/// The same, with the key set already. The statement is reset before it returns, unless it fails.
fn read_bound_row(rows: &mut Statement<'_>, sql: &ModelSql) -> Result<Result<Option<Image>, String>, Fault> {
    if !rows.step()? {
        rows.reset();
        return Ok(Ok(None));
    }
    let row = canonical(sql, read_image(rows, sql, 0))?;
    rows.reset();
    Ok(row.map(Some))
}
