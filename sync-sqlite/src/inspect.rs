//! What is where, without changing anything: [`unseen`], [`parked`], [`pending`].

use std::collections::HashSet;

use ditto_sync_core::{
    column::ColumnValue,
    descriptor::ModelDescriptor,
    hash::IdHash,
    id::{DocumentId, IdList},
    repository::{PendingCount, RepositoryError, RowRef},
};

use crate::{
    connection::Reader,
    hash_table::Met,
    known::{KEPT, Known, id_key},
    native::Native,
    outbox::{self, EntryKey, read_key},
    quarantine,
    state::{Fault, ModelSql, Session, on_native},
};

/// Keys read in one go.
const SLICE_KEYS: usize = 2048;

/// The ids of rows, of known documents whose rows are gone, and of documents that did not come in, that are not in `seen`.
///
/// A known document without a row and without an outbox entry has no name any more, only a hash: its row was deleted while no trigger watched. It is remembered,
/// and when its document is looked at that counts as a local delete.
pub(crate) async fn unseen(
    session: &Session,
    reader: &Reader,
    model: &'static ModelDescriptor,
    seen: &IdList,
) -> Result<IdList, RepositoryError> {
    const ACTION: &str = "list the rows that the store has not";
    let mut memory = session.memory().await;
    let model = session.position(model)?;
    let sql = &session.models()[model];
    session.load_known(reader, &mut memory, &[model]).await?;
    let mut search = Search::new(memory.known(model));
    for (at, id) in seen.iter().enumerate() {
        search.see(id_key(IdHash::of(&id)));
        if at % SLICE_KEYS == SLICE_KEYS - 1 {
            tokio::task::yield_now().await;
        }
    }
    let mut transaction = reader.begin(ACTION).await?;
    let usable = on_native(&mut transaction, ACTION, |native| {
        match native.prepare(&sql.first_keys) {
            Ok(_) => Ok(true),
            // A table that is gone says nothing about its rows.
            Err(error) if error.is_about_the_schema() => Ok(false),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    if !usable {
        transaction.rollback().await?;
        return Ok(IdList::new());
    }
    let mut after = Some(Position::Start);
    while let Some(position) = after {
        after = on_native(&mut transaction, ACTION, |native| {
            search.rows(native, sql, &position)
        })
        .await?;
        tokio::task::yield_now().await;
    }
    on_native(&mut transaction, ACTION, |native| {
        search.entries(native, sql)?;
        for id in quarantine::left_out(native, sql.number)? {
            search.look_at(&id);
        }
        Ok(())
    })
    .await?;
    transaction.rollback().await?;
    let (ids, vanished) = search.end();
    if sql.model.direction().sends() {
        memory.models[model].vanished = vanished;
    }
    Ok(ids)
}

/// Documents that wait for another row, and rows that wait for their documents.
pub(crate) async fn parked(session: &Session, reader: &Reader) -> Result<Vec<RowRef>, RepositoryError> {
    const ACTION: &str = "list the documents that wait for other rows";
    let mut transaction = reader.begin(ACTION).await?;
    let rows = on_native(&mut transaction, ACTION, |native| {
        let mut rows = Vec::new();
        for &model in session.order() {
            let sql = &session.models()[model];
            let mut ids = quarantine::waiting(native, sql.number)?;
            ids.append(&mut outbox::missed(native, sql)?);
            rows.extend(ids.into_iter().map(|id| RowRef { model: sql.model, id }));
        }
        Ok(rows)
    })
    .await?;
    transaction.rollback().await?;
    Ok(rows)
}

/// How much is dirty, parked and in quarantine, by model.
pub(crate) async fn pending(
    session: &Session,
    reader: &Reader,
) -> Result<Vec<PendingCount>, RepositoryError> {
    const ACTION: &str = "count the changes that are not sent";
    let memory = session.memory().await;
    let mut transaction = reader.begin(ACTION).await?;
    let counts = on_native(&mut transaction, ACTION, |native| {
        let counts = session.models().iter().enumerate().map(|(model, sql)| {
            let (local, local_entries) = memory.local(model);
            let of_model = format!("model = {}", sql.number);
            Ok(PendingCount {
                collection: sql.model.collection(),
                // Entries that another process has just added are not among those of local rows.
                entries: count(native, &sql.outbox.table, "1")?.saturating_sub(local_entries),
                local,
                parked: count(native, "main.ditto_sync_parked", &of_model)?,
                quarantined: count(
                    native,
                    "main.ditto_sync_quarantine",
                    &format!("{of_model} AND way < {}", quarantine::IGNORED),
                )?,
            })
        });
        counts.collect()
    })
    .await?;
    transaction.rollback().await?;
    Ok(counts)
}

/// Where a search through a table goes on.
pub(crate) enum Position {
    Start,
    After(Vec<ColumnValue>),
}

/// Shows the ids of the next rows of a table; where to go on. Keys that make no id were never agreed on with any document.
pub(crate) fn key_slice(
    native: &Native<'_>,
    sql: &ModelSql,
    position: &Position,
    mut show: impl FnMut(DocumentId),
) -> Result<Option<Position>, Fault> {
    let mut rows = match position {
        Position::Start => native.prepare(&sql.first_keys)?,
        Position::After(key) => {
            let mut rows = native.prepare(&sql.next_keys)?;
            for (at, column) in key.iter().enumerate() {
                rows.bind(2 + at, column)?;
            }
            rows
        }
    };
    rows.bind_i64(1, i64::try_from(SLICE_KEYS).expect("a slice is small"))?;
    let (mut read, mut last) = (0, None);
    while rows.step()? {
        read += 1;
        if let EntryKey::Id(id, columns) = read_key(&rows, sql, 0)? {
            show(id);
            last = Some(columns);
        }
    }
    Ok(last.filter(|_| read == SLICE_KEYS).map(Position::After))
}

/// A search for ids that are not among those seen. Of known ids it keeps two bits each, for there are mostly no others.
struct Search<'a> {
    known: &'a Known,
    /// Those that the store has.
    seen: Met<'a>,
    /// Those with a row or an entry here.
    here: Met<'a>,
    /// Ids that the store has and that are not known.
    others: HashSet<u128>,
    found: HashSet<u128>,
    ids: IdList,
}

impl<'a> Search<'a> {
    fn new(known: &'a Known) -> Self {
        Self {
            known,
            seen: known.met(),
            here: known.met(),
            others: HashSet::new(),
            found: HashSet::new(),
            ids: IdList::new(),
        }
    }

    /// The store has this one.
    fn see(&mut self, id: u128) {
        if !self.seen.meet(id) {
            self.others.insert(id);
        }
    }

    /// What was found; and the known ids without a row and without an entry.
    fn end(self) -> (IdList, HashSet<u128>) {
        let vanished = self.here.others();
        let vanished = vanished
            .filter(|(_, hash)| *hash != KEPT)
            .map(|(id, _)| id)
            .collect();
        (self.ids, vanished)
    }

    /// Looks at the next rows; where to go on.
    fn rows(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        position: &Position,
    ) -> Result<Option<Position>, Fault> {
        key_slice(native, sql, position, |id| {
            self.here.meet(id_key(IdHash::of(&id)));
            self.look_at(&id);
        })
    }

    fn entries(&mut self, native: &Native<'_>, sql: &ModelSql) -> Result<(), Fault> {
        let mut entries = native.prepare(&sql.outbox.entries_after)?;
        entries.bind_i64(1, i64::MIN)?;
        while entries.step()? {
            if let EntryKey::Id(id, _) = read_key(&entries, sql, 2)?
                && self.known.contains(id_key(IdHash::of(&id)))
            {
                self.here.meet(id_key(IdHash::of(&id)));
                self.look_at(&id);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, id: &DocumentId) {
        let key = id_key(IdHash::of(id));
        if !self.seen.contains(key) && !self.others.contains(&key) && self.found.insert(key) {
            self.ids.push(id);
        }
    }
}

fn count(native: &Native<'_>, table: &str, condition: &str) -> Result<u64, Fault> {
    let mut select = native.prepare(&format!("SELECT count(*) FROM {table} WHERE {condition}"))?;
    select.step()?;
    Ok(select.column_i64(0).unsigned_abs())
}
