//! Which rows of one model are dirty: an exact copy of its outbox in memory, and the edits of the outbox itself: [`Outbox`].
//!
//! The copy grows by reading what lies behind the newest entry seen, inside the write transaction that needs it. A transaction that failed or was
//! cancelled leaves it in doubt, and the next one reads everything again (`state`). Not here: what entries mean (`merge`).

use std::collections::{HashMap, HashSet, hash_map};

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::RowError,
    hash::IdHash,
    id::DocumentId,
    live::Origin,
};

use crate::{
    codec::{self, RowName},
    feed::Feed,
    known::{HashedMap, id_key},
    layout::kind,
    native::{Native, NativeError, Statement},
    state::{Fault, ModelSql},
};

/// The kind of an insert over a row that the store has come to hold meanwhile: it has an image, the base, which a plain insert has not. No
/// trigger writes it.
pub(crate) const INSERT_OVER: &str = "J";

/// Dirty rows for which there is always room: what it takes is not worth giving back.
const ROOM_KEPT: usize = 4096;

/// The newest entry seen in an empty outbox: SQLite numbers the next one from 1, and repairs put entries before all others, below 0 even.
pub(crate) const NONE_SEEN: i64 = i64::MIN;

/// The dirty rows of one model.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: HashedMap<RowEntries>,
    /// Rows that changed while no trigger watched: they wait for their documents.
    missed: HashSet<u128>,
    /// Rows that belong nowhere, and so are not sent, as of their newest entry.
    local: HashedMap<i64>,
    /// Rows whose key columns make no id, by those columns as kept, and their newest entry.
    nameless: HashMap<Vec<u8>, Nameless>,
    newest: Option<i64>,
    /// Who listens is told of every entry that is read, and of what we change ourselves.
    pub(crate) feed: Feed,
}

/// The entries of one row.
#[derive(Debug)]
pub(crate) struct RowEntries {
    first: Entry,
    /// Mostly empty: no allocation.
    rest: Vec<Entry>,
}

/// A row whose key columns make no id.
#[derive(Debug)]
pub(crate) struct Nameless {
    pub(crate) last: i64,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: i64,
    insert: bool,
    /// It has the image of the row before it.
    based: bool,
}

impl RowEntries {
    pub(crate) fn first(&self) -> i64 {
        self.first.seq
    }

    pub(crate) fn last(&self) -> i64 {
        self.rest.last().unwrap_or(&self.first).seq
    }

    /// Whether the row has a base: its first entry has an image.
    pub(crate) fn has_base(&self) -> bool {
        self.first.based
    }

    /// Whether some entry is an insert.
    pub(crate) fn inserted(&self) -> bool {
        self.all().any(|entry| entry.insert)
    }

    fn all(&self) -> impl Iterator<Item = Entry> {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }
}

impl Outbox {
    pub(crate) fn get(&self, id: u128) -> Option<&RowEntries> {
        self.rows.get(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.nameless.is_empty()
    }

    /// How many rows are dirty.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() + self.nameless.len()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (u128, &RowEntries)> {
        self.rows.iter().map(|(id, entries)| (*id, entries))
    }

    /// Forgets the copy: everything is read again.
    pub(crate) fn reset(&mut self) {
        let feed = std::mem::take(&mut self.feed);
        *self = Self {
            feed,
            ..Self::default()
        };
    }

    /// Whether the row changed while no trigger watched, and waits for its document.
    pub(crate) fn is_missed(&self, id: u128) -> bool {
        !self.missed.is_empty() && self.missed.contains(&id)
    }

    /// Rows that changed while no trigger watched, and wait for their documents.
    pub(crate) fn missed(&self) -> impl Iterator<Item = u128> {
        self.missed.iter().copied()
    }

    /// The row belongs nowhere as it is now.
    pub(crate) fn keep_local(&mut self, id: u128) {
        if let Some(entries) = self.rows.get(&id) {
            self.local.insert(id, entries.last());
        }
    }

    /// Whether the row belonged nowhere when it was last looked at, and has not changed since.
    pub(crate) fn is_local(&self, id: u128) -> bool {
        !self.local.is_empty()
            && self
                .local
                .get(&id)
                .is_some_and(|last| self.get(id).is_some_and(|entries| entries.last() == *last))
    }

    /// The dirty rows that belong nowhere, and how many entries each has.
    pub(crate) fn local(&self) -> impl Iterator<Item = (u128, usize)> {
        let local = self.local.keys().filter(|id| self.is_local(**id));
        local.map(|id| (*id, self.rows[id].all().count()))
    }

    pub(crate) fn nameless(&self) -> impl Iterator<Item = (&Vec<u8>, &Nameless)> {
        self.nameless.iter()
    }

    /// A dirty row by its name in the quarantine: its id, if it has one, and its newest entry.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(Option<u128>, i64)> {
        if let Some(nameless) = self.nameless.get(name) {
            return Some((None, nameless.last));
        }
        match codec::decode(name) {
            Ok(RowName::Id(id)) => {
                let id = id_key(IdHash::of(&id));
                self.get(id).map(|entries| (Some(id), entries.last()))
            }
            _ => None,
        }
    }

    /// The newest entry seen; `None` until the table has been read.
    pub(crate) fn newest_seen(&self) -> Option<i64> {
        self.newest
    }

    /// Reads the entries that are new since the last read; everything, the first time. Only inside a write transaction: then nothing is missed.
    /// Whether entries had to be changed, so that the transaction must not be thrown away.
    pub(crate) fn read(&mut self, native: &Native<'_>, sql: &ModelSql) -> Result<bool, Fault> {
        let mut select = native.prepare(&sql.outbox.entries_after)?;
        let seen = self.newest.unwrap_or(NONE_SEEN);
        select.bind_i64(1, seen)?;
        let mut any_replace = false;
        while select.step()? {
            let seq = select.column_i64(0);
            let kind = select.column_text(1)?;

            any_replace |= kind == kind::REPLACE;
            let based = has_image(kind);
            let insert = kind == kind::INSERT || kind == INSERT_OVER;
            self.newest = Some(seq);
            let entry = Entry { seq, insert, based };
            match read_id(&select, sql, 2)? {
                Ok(id) => self.take(entry, &id),
                Err((name, reason)) => {
                    self.nameless.insert(name, Nameless { last: seq, reason });
                }
            }
        }
        drop(select);
        self.newest.get_or_insert(NONE_SEEN);
        if any_replace {
            // Whatever was being replaced is done by now. Left as they are, a later trigger would take these entries for its own.
            let mut settle = native.prepare(&sql.outbox.settle_replaced)?;
            settle.bind_i64(1, seen)?;
            settle.run()?;
        }
        Ok(any_replace)
    }

    fn take(&mut self, entry: Entry, id: &DocumentId) {
        match self.rows.entry(id_key(IdHash::of(id))) {
            hash_map::Entry::Occupied(mut row) => row.get_mut().rest.push(entry),
            hash_map::Entry::Vacant(row) => {
                if !entry.based && !entry.insert {
                    self.missed.insert(*row.key());
                }
                row.insert(RowEntries {
                    first: entry,
                    rest: Vec::new(),
                });
            }
        }
        self.feed.touch(id, Origin::Local);
    }

    /// Drops the entries of `id` up to `upto`; all of them when that is `None`.
    pub(crate) fn drop_entries(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: u128,
        upto: Option<i64>,
    ) -> Result<(), Fault> {
        self.drop_all(native, sql, &[(id, upto)])
    }

    /// Drops the entries of several rows, each up to its bound.
    pub(crate) fn drop_all(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        rows: &[(u128, Option<i64>)],
    ) -> Result<(), Fault> {
        // Nothing unseen may lie behind the newest entry when that is dropped: its number is given out again.
        self.read(native, sql)?;
        let mut dropped = Vec::with_capacity(rows.len());
        for (id, upto) in rows {
            self.forget(*id, upto.unwrap_or(i64::MAX), &mut dropped);
        }
        if dropped.is_empty() {
            return Ok(());
        }
        delete_entries(native, sql, &mut dropped)?;
        self.newest = Some(newest(native, sql)?);
        if self.rows.capacity() > ROOM_KEPT.max(self.rows.len() * 8) {
            // Much was unsent, and is not any more.
            self.rows.shrink_to(self.rows.len() * 2);
        }
        Ok(())
    }

    /// Drops the entries of a row whose key makes no id.
    pub(crate) fn drop_nameless(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        (name, key): (&[u8], &[ColumnValue]),
    ) -> Result<(), Fault> {
        // Nothing unseen may lie behind the newest entry when that is dropped: its number is given out again.
        self.read(native, sql)?;
        let this: Vec<_> = (0..key.len()).map(|at| format!("k{at} = ?{}", at + 1)).collect();
        let mut delete = native.prepare(&format!(
            "DELETE FROM {} WHERE {}",
            sql.outbox.table,
            this.join(" AND ")
        ))?;
        delete.bind_all(key)?;
        delete.run()?;
        drop(delete);
        self.nameless.remove(name);
        self.newest = Some(newest(native, sql)?);
        Ok(())
    }

    /// Drops every entry; how many rows were dirty.
    pub(crate) fn clear(&mut self, native: &Native<'_>, sql: &ModelSql) -> Result<usize, Fault> {
        self.read(native, sql)?;
        let rows = self.len();
        if rows > 0 {
            native.execute(&format!("DELETE FROM {}", sql.outbox.table))?;
        }
        self.reset();
        self.newest = Some(NONE_SEEN);
        Ok(rows)
    }

    /// The base of a dirty row becomes `base`; `None`: there is none any more.
    pub(crate) fn rebase(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: u128,
        base: Option<&Image>,
    ) -> Result<(), Fault> {
        let Some(entries) = self.rows.get_mut(&id) else {
            return Ok(());
        };
        // The row may have changed with it.
        self.local.remove(&id);
        match base {
            Some(base) => {
                let mut rebase = native.prepare(&sql.outbox.rebase_entry)?;
                rebase.bind_i64(1, entries.first.seq)?;
                for (at, column) in base.columns().iter().enumerate() {
                    rebase.bind(2 + at, column)?;
                }
                rebase.run()?;
                entries.first.based = true;
                self.missed.remove(&id);
            }
            None => {
                let mut unbase = native.prepare(&sql.outbox.unbase_entry)?;
                unbase.bind_i64(1, entries.first.seq)?;
                unbase.run()?;
                entries.first.insert = true;
                entries.first.based = false;
                self.missed.remove(&id);
            }
        }
        Ok(())
    }

    fn forget(&mut self, id: u128, upto: i64, dropped: &mut Vec<i64>) {
        let Some(mut entries) = self.rows.remove(&id) else {
            return;
        };
        if entries.first.seq <= upto {
            self.missed.remove(&id);
        }
        if entries.last() <= upto {
            self.local.remove(&id);
            dropped.extend(entries.all().map(|entry| entry.seq));
            return;
        }
        if entries.first.seq <= upto {
            dropped.push(entries.first.seq);
            let kept = entries.rest.partition_point(|entry| entry.seq <= upto);
            dropped.extend(entries.rest.drain(..kept).map(|entry| entry.seq));
            entries.first = entries.rest.remove(0);
        }
        self.rows.insert(id, entries);
    }
}

/// An entry that no trigger writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEntry<'a> {
    pub(crate) kind: &'static str,
    pub(crate) key: &'a [ColumnValue],
    pub(crate) base: Option<&'a Image>,
}

/// Puts an entry before all others. The caller brings the copy in memory up to date.
pub(crate) fn prepend(native: &Native<'_>, sql: &ModelSql, entry: NewEntry<'_>) -> Result<(), NativeError> {
    let mut oldest = native.prepare(&format!("SELECT coalesce(min(seq), 1) FROM {}", sql.outbox.table))?;
    oldest.step()?;
    let seq = oldest.column_i64(0).saturating_sub(1);
    drop(oldest);
    let mut insert = native.prepare(&sql.outbox.insert_entry)?;
    insert.bind_i64(1, seq)?;
    bind_entry(&mut insert, 2, entry)?;
    insert.run()
}

/// Puts an entry behind all others: a change that no trigger saw.
pub(crate) fn append(native: &Native<'_>, sql: &ModelSql, entry: NewEntry<'_>) -> Result<(), NativeError> {
    let mut insert = native.prepare(&sql.outbox.append_entry)?;
    bind_entry(&mut insert, 1, entry)?;
    insert.run()
}

/// The rows with a change that no trigger saw, and that has not met its document yet.
pub(crate) fn missed(native: &Native<'_>, sql: &ModelSql) -> Result<Vec<DocumentId>, NativeError> {
    let mut entries = native.prepare(&sql.outbox.entries_after)?;
    entries.bind_i64(1, i64::MIN)?;
    let mut ids = Vec::new();
    while entries.step()? {
        if entries.column_text(1)? == kind::MISSED
            && let EntryKey::Id(id, _) = read_key(&entries, sql, 2)?
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Whether an entry of this kind has the image of the row before it.
pub(crate) fn has_image(kind: &str) -> bool {
    kind != kind::INSERT && kind != kind::MISSED
}

/// The image that the first entry of a dirty row holds, as the table held it.
pub(crate) fn base_image(
    native: &Native<'_>,
    sql: &ModelSql,
    entries: &RowEntries,
) -> Result<Option<Image>, NativeError> {
    if !entries.has_base() {
        return Ok(None);
    }
    let mut select = native.prepare(&sql.outbox.entry_image)?;
    select.bind_i64(1, entries.first())?;
    if !select.step()? {
        return Ok(None);
    }
    read_image(&select, sql, 0).map(Some)
}

/// The columns of an image from `first` on.
pub(crate) fn read_image(
    statement: &Statement<'_>,
    sql: &ModelSql,
    first: usize,
) -> Result<Image, NativeError> {
    let mut columns = Vec::with_capacity(sql.columns());
    for at in 0..sql.columns() {
        let column = statement.column(first + at).map_err(|error| match error {
            NativeError::InvalidText { .. } => NativeError::InvalidText { column: at },
            other => other,
        });
        columns.push(column?);
    }
    Ok(Image::new(columns))
}

/// What the key columns of an entry or a row name.
#[derive(Debug)]
pub(crate) enum EntryKey {
    /// An id, and the columns as they are.
    Id(DocumentId, Vec<ColumnValue>),
    /// No id: the columns as the quarantine keeps them, and what is wrong with them.
    Nameless(Vec<u8>, String),
}

/// The key columns from `first` on.
pub(crate) fn read_key(
    statement: &Statement<'_>,
    sql: &ModelSql,
    first: usize,
) -> Result<EntryKey, NativeError> {
    let mut columns = Vec::with_capacity(sql.keys());
    let mut invalid = None;
    for (at, field) in sql.model.id_fields().iter().enumerate() {
        match statement.column(first + at) {
            Ok(column) => columns.push(column),
            Err(NativeError::InvalidText { .. }) => {
                invalid = Some(format!(
                    "field `{}`: holds text that is not UTF-8",
                    field.document_name()
                ));
                columns.push(ColumnValue::Null);
            }
            Err(error) => return Err(error),
        }
    }
    let reason = match invalid {
        Some(reason) => reason,
        None => match sql.model.id_from_columns(&columns) {
            Ok(id) => return Ok(EntryKey::Id(id, columns)),
            Err(reason) => reason.to_string(),
        },
    };
    Ok(EntryKey::Nameless(
        codec::encode(&RowName::Columns(columns)),
        reason,
    ))
}

/// The id that the key columns from `first` on make; else their name in the quarantine, and what is wrong with them.
pub(crate) fn read_id(
    statement: &Statement<'_>,
    sql: &ModelSql,
    first: usize,
) -> Result<Result<DocumentId, (Vec<u8>, String)>, NativeError> {
    // What most ids are: a text that needs no copy of its column.
    let text = statement.column_text(first).ok();
    if let Some(id) = text.and_then(|text| sql.model.id_from_text(text)) {
        return Ok(Ok(id));
    }
    Ok(match read_key(statement, sql, first)? {
        EntryKey::Id(id, _) => Ok(id),
        EntryKey::Nameless(name, reason) => Err((name, reason)),
    })
}

/// Reads a row's image and brings it into its canonical form.
pub(crate) fn canonical(
    sql: &ModelSql,
    image: Result<Image, NativeError>,
) -> Result<Result<Image, String>, Fault> {
    match image {
        Ok(image) => Ok(sql
            .model
            .canonical(image)
            .map_err(|reason: RowError| reason.to_string())),
        Err(NativeError::InvalidText { column }) => Ok(Err(match sql.model.fields().get(column) {
            Some(field) => format!("field `{}`: holds text that is not UTF-8", field.document_name()),
            None => "holds text that is not UTF-8".to_owned(),
        })),
        Err(error) => Err(error.into()),
    }
}

/// The newest entry of the table.
pub(crate) fn newest(native: &Native<'_>, sql: &ModelSql) -> Result<i64, NativeError> {
    read_newest(&mut native.prepare(&newest_sql(sql))?)
}

/// Asks for the newest entry of the table.
pub(crate) fn newest_sql(sql: &ModelSql) -> String {
    format!("SELECT max(seq) FROM {}", sql.outbox.table)
}

/// The answer to [`newest_sql`].
pub(crate) fn read_newest(newest: &mut Statement<'_>) -> Result<i64, NativeError> {
    newest.step()?;
    let seq = if newest.is_null(0) {
        NONE_SEEN
    } else {
        newest.column_i64(0)
    };
    newest.reset();
    Ok(seq)
}

/// One range delete where the entries are exactly the oldest ones, which is the rule; else one by one.
fn delete_entries(native: &Native<'_>, sql: &ModelSql, entries: &mut [i64]) -> Result<(), NativeError> {
    entries.sort_unstable();
    let last = *entries.last().expect("there are entries to delete");
    let mut count = native.prepare(&format!(
        "SELECT count(*) FROM {} WHERE seq <= ?1",
        sql.outbox.table
    ))?;
    count.bind_i64(1, last)?;
    count.step()?;
    let oldest = usize::try_from(count.column_i64(0)) == Ok(entries.len());
    drop(count);
    let comparison = if oldest { "<=" } else { "=" };
    let targets = if oldest { &[last][..] } else { &entries[..] };
    let mut delete = native.prepare(&format!(
        "DELETE FROM {} WHERE seq {comparison} ?1",
        sql.outbox.table
    ))?;
    for &seq in targets {
        delete.bind_i64(1, seq)?;
        delete.run()?;
    }
    Ok(())
}

fn bind_entry(insert: &mut Statement<'_>, first: usize, entry: NewEntry<'_>) -> Result<(), NativeError> {
    insert.bind_text(first, entry.kind)?;
    for (at, column) in entry.key.iter().enumerate() {
        insert.bind(first + 1 + at, column)?;
    }
    // Unbound parameters are NULL.
    let columns = entry.base.map_or(&[][..], Image::columns);
    for (at, column) in columns.iter().enumerate() {
        insert.bind(first + 1 + entry.key.len() + at, column)?;
    }
    Ok(())
}
