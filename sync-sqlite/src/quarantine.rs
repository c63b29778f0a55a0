//! What could not be applied or sent, kept visible: parked documents, the quarantine, and the newest conflicts. [`Troubles`] is what the loops need
//! to know of it in memory.
//!
//! Not here: when something is parked or quarantined (`apply`, `draft`).

use std::collections::{HashMap, HashSet};

use ditto_sync_core::{
    hash::IdHash,
    id::DocumentId,
    merge::{Conflict, ConflictKind},
    repository::Way,
};

use crate::{
    codec::{self, RawRecord, RowName},
    known::id_key,
    native::{Native, NativeError},
    state::{Fault, ModelSql},
};

/// Conflicts kept; older ones are forgotten.
const CONFLICTS_MAX: i64 = 1000;
/// Milliseconds since 1970.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
/// How a reason starts when another row stands in the way, which may go: such a document is worth another try.
const IN_THE_WAY: &str = "UNIQUE";
/// The way of documents that were discarded. Everything with a smaller number is in quarantine.
pub(crate) const IGNORED: i64 = 2;
/// The newest entry of a row that is to be tried again whatever its newest entry is.
pub(crate) const TRY_AGAIN: i64 = i64::MIN;

/// What is parked or quarantined of one model.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Ids with a parked document, one in quarantine, or one that is ignored.
    inbound: HashSet<u128>,
    /// Documents that were discarded, and the version that is ignored, as kept.
    ignored: HashMap<u128, Vec<u8>>,
    /// Rows that cannot be sent, as the quarantine names them, and the outbox entry up to which that is known.
    held: HashMap<Vec<u8>, i64>,
}

/// One record for the quarantine.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) way: Way,
    pub(crate) reason: &'a str,
    pub(crate) raw: &'a RawRecord,
    /// The store has refused it just now: that is always news.
    pub(crate) refused: bool,
}

impl Troubles {
    pub(crate) fn load(native: &Native<'_>, number: i64) -> Result<Self, Fault> {
        let mut troubles = Self::default();
        let mut parked = native.prepare("SELECT id FROM main.ditto_sync_parked WHERE model = ?1")?;
        parked.bind_i64(1, number)?;
        while parked.step()? {
            troubles.inbound.extend(named_id(parked.column_blob(0)?)?);
        }
        let mut records =
            native.prepare("SELECT id, way, raw FROM main.ditto_sync_quarantine WHERE model = ?1")?;
        records.bind_i64(1, number)?;
        while records.step()? {
            let name = records.column_blob(0)?;
            let way = records.column_i64(1);
            if way == way_number(Way::Inbound) {
                troubles.inbound.extend(named_id(name)?);
            } else if way == IGNORED {
                if let Some(id) = named_id(name)? {
                    troubles.inbound.insert(id);
                    troubles.ignored.insert(id, records.column_blob(2)?.to_owned());
                }
            } else if let RawRecord::Outbound { last } = codec::decode(records.column_blob(2)?)? {
                troubles.held.insert(name.to_owned(), last);
            }
        }
        Ok(troubles)
    }

    /// Whether a document of this id is parked or in quarantine.
    pub(crate) fn concern_inbound(&self, id: u128) -> bool {
        !self.inbound.is_empty() && self.inbound.contains(&id)
    }

    /// Whether this version of the document was discarded.
    pub(crate) fn ignore(&self, id: u128, raw: impl FnOnce() -> RawRecord) -> bool {
        !self.ignored.is_empty()
            && self
                .ignored
                .get(&id)
                .is_some_and(|ignored| *ignored == codec::encode(&raw()))
    }

    /// Rows that could not be sent are tried once more: the process is new, and so may be what refused them.
    pub(crate) fn try_held_again(&mut self) {
        self.held.values_mut().for_each(|last| *last = TRY_AGAIN);
    }

    /// Whether this row is in quarantine on its way out.
    pub(crate) fn holds(&self, id: &DocumentId) -> bool {
        self.held.contains_key(&row_name(id))
    }

    /// Lets a row, or its document, be tried again, and counts the attempt; whether there is such a record.
    pub(crate) fn try_again(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: &DocumentId,
    ) -> Result<bool, Fault> {
        let name = row_name(id);
        let held = self.held.contains_key(&name);
        if held {
            let mut update = native.prepare(&format!(
                "UPDATE main.ditto_sync_quarantine SET raw = ?3 WHERE model = ?1 AND id = ?2 AND way = {}",
                way_number(Way::Outbound)
            ))?;
            update.bind_i64(1, sql.number)?;
            update.bind_blob(2, &name)?;
            update.bind_blob(3, &codec::encode(&RawRecord::Outbound { last: TRY_AGAIN }))?;
            update.run()?;
            self.held.insert(name, TRY_AGAIN);
        }
        let inbound = format!(
            "UPDATE main.ditto_sync_quarantine SET attempts = attempts + 1 WHERE model = ?1 AND id = ?2 AND way = {}",
            way_number(Way::Inbound)
        );
        Ok(delete(native, &inbound, sql, id)? || held)
    }

    /// Ignores the document in quarantine, until it changes; whether there is one.
    pub(crate) fn discard_inbound(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: &DocumentId,
    ) -> Result<bool, Fault> {
        let Some(raw) = inbound_record(native, sql, id)? else {
            return Ok(false);
        };
        let ignored = format!(
            "DELETE FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {IGNORED}"
        );
        delete(native, &ignored, sql, id)?;
        let ignore = format!(
            "UPDATE main.ditto_sync_quarantine SET way = {IGNORED}, since = {NOW} WHERE model = ?1 AND id = ?2 AND way = {}",
            way_number(Way::Inbound)
        );
        delete(native, &ignore, sql, id)?;
        let key = id_key(IdHash::of(id));
        self.ignored.insert(key, codec::encode(&raw));
        Ok(true)
    }

    /// Whether this row could not be sent, and has not changed since (`last` is its newest outbox entry, 0 without one).
    pub(crate) fn hold(&self, id: &DocumentId, last: i64) -> bool {
        !self.held.is_empty() && self.held_name(&row_name(id), last)
    }

    /// The same, for a row by its name in the quarantine.
    pub(crate) fn held_name(&self, name: &[u8], last: i64) -> bool {
        self.held.get(name) == Some(&last)
    }

    /// Ids with a parked document, or one in quarantine.
    pub(crate) fn inbound(&self) -> impl Iterator<Item = u128> {
        self.inbound.iter().copied()
    }

    /// Rows that could not be sent, and the newest outbox entry they had then.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.held.iter().map(|(name, last)| (name.as_slice(), *last))
    }

    /// Keeps a document that waits for another row; whether that is news.
    pub(crate) fn park(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        (id, reason): (&DocumentId, &str),
    ) -> Result<bool, Fault> {
        self.inbound.insert(id_key(IdHash::of(id)));
        let mut put = native.prepare(&format!(
            "INSERT INTO main.ditto_sync_parked (model, id, since, reason) VALUES (?1, ?2, {NOW}, ?3)
             ON CONFLICT (model, id) DO UPDATE SET reason = excluded.reason WHERE reason IS NOT excluded.reason"
        ))?;
        put.bind_i64(1, sql.number)?;
        put.bind_blob(2, &row_name(id))?;
        put.bind_text(3, reason)?;
        put.run()?;
        Ok(native.changes() > 0)
    }

    /// Keeps a record that cannot be applied or sent; whether that is news.
    pub(crate) fn quarantine(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        record: &Record<'_>,
    ) -> Result<bool, Fault> {
        match record.raw {
            RawRecord::Outbound { last } => {
                self.held.insert(record.name.to_owned(), *last);
            }
            _ => {
                let id = named_id(record.name)?;
                self.inbound.extend(id);
                if id.is_some_and(|id| self.ignored.remove(&id).is_some()) {
                    // Another version than the one that was discarded.
                    let mut forget = native.prepare(&format!(
                        "DELETE FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {IGNORED}"
                    ))?;
                    forget.bind_i64(1, sql.number)?;
                    forget.bind_blob(2, record.name)?;
                    forget.run()?;
                }
            }
        }
        let news = if record.refused {
            ""
        } else {
            "WHERE reason IS NOT excluded.reason OR raw IS NOT excluded.raw"
        };
        let mut put = native.prepare(&format!(
            "INSERT INTO main.ditto_sync_quarantine (model, id, way, reason, raw, attempts, since)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, {NOW})
             ON CONFLICT (model, id, way) DO UPDATE SET reason = excluded.reason, raw = excluded.raw, attempts = attempts + 1 {news}"
        ))?;
        put.bind_i64(1, sql.number)?;
        put.bind_blob(2, record.name)?;
        put.bind_i64(3, way_number(record.way))?;
        put.bind_text(4, record.reason)?;
        put.bind_blob(5, &codec::encode(record.raw))?;
        put.run()?;
        Ok(native.changes() > 0)
    }

    /// Keeps a row from being sent before it changes again.
    pub(crate) fn set_aside(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        (id, last): (&DocumentId, i64),
        reason: &str,
    ) -> Result<bool, Fault> {
        let record = Record {
            name: &row_name(id),
            way: Way::Outbound,
            reason,
            raw: &RawRecord::Outbound { last },
            refused: false,
        };
        self.quarantine(native, sql, &record)
    }

    /// Forgets what was parked or quarantined of this document on its way in; whether there was something.
    pub(crate) fn clear_inbound(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: &DocumentId,
    ) -> Result<bool, Fault> {
        let key = id_key(IdHash::of(id));
        if !self.inbound.remove(&key) {
            return Ok(false);
        }
        if self.ignored.remove(&key).is_some() {
            let ignored = format!(
                "DELETE FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {IGNORED}"
            );
            delete(native, &ignored, sql, id)?;
        }
        let parked = "DELETE FROM main.ditto_sync_parked WHERE model = ?1 AND id = ?2";
        let was_parked = delete(native, parked, sql, id)?;
        let was_quarantined = delete(native, &delete_records(Way::Inbound), sql, id)?;
        Ok(was_parked || was_quarantined)
    }

    /// The same, for a row by its name in the quarantine.
    pub(crate) fn forget_held(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        name: &[u8],
    ) -> Result<(), Fault> {
        if self.held.remove(name).is_some() {
            let mut delete = native.prepare(&delete_records(Way::Outbound))?;
            delete.bind_i64(1, sql.number)?;
            delete.bind_blob(2, name)?;
            delete.run()?;
        }
        Ok(())
    }

    /// Forgets that this row could not be sent.
    pub(crate) fn clear_outbound(
        &mut self,
        native: &Native<'_>,
        sql: &ModelSql,
        id: &DocumentId,
    ) -> Result<(), Fault> {
        if !self.held.is_empty() && self.held.remove(&row_name(id)).is_some() {
            delete(native, &delete_records(Way::Outbound), sql, id)?;
        }
        Ok(())
    }
}

/// The document in quarantine.
pub(crate) fn inbound_record(
    native: &Native<'_>,
    sql: &ModelSql,
    id: &DocumentId,
) -> Result<Option<RawRecord>, Fault> {
    let mut select = native.prepare(&format!(
        "SELECT raw FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {}",
        way_number(Way::Inbound)
    ))?;
    select.bind_i64(1, sql.number)?;
    select.bind_blob(2, &row_name(id))?;
    if !select.step()? {
        return Ok(None);
    }
    Ok(Some(codec::decode(select.column_blob(0)?)?))
}

/// How the parked and quarantine tables name a row.
pub(crate) fn row_name(id: &DocumentId) -> Vec<u8> {
    codec::encode(&RowName::Id(id.clone()))
}

/// The ids of `number` that wait for another row, or for one that stands in their way.
pub(crate) fn waiting(native: &Native<'_>, number: i64) -> Result<Vec<DocumentId>, Fault> {
    let mut select = native.prepare(&format!(
        "SELECT id FROM main.ditto_sync_parked WHERE model = ?1
         UNION SELECT id FROM main.ditto_sync_quarantine WHERE model = ?1 AND way = {} AND reason LIKE '{IN_THE_WAY}%'",
        way_number(Way::Inbound)
    ))?;
    select.bind_i64(1, number)?;
    let mut ids = Vec::new();
    while select.step()? {
        if let RowName::Id(id) = codec::decode(select.column_blob(0)?)? {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// All documents that did not come in: those that wait, that are in quarantine or ignored.
pub(crate) fn left_out(native: &Native<'_>, number: i64) -> Result<Vec<DocumentId>, Fault> {
    let mut select = native.prepare(&format!(
        "SELECT id FROM main.ditto_sync_parked WHERE model = ?1
         UNION SELECT id FROM main.ditto_sync_quarantine WHERE model = ?1 AND way <> {}",
        way_number(Way::Outbound)
    ))?;
    select.bind_i64(1, number)?;
    let mut ids = Vec::new();
    while select.step()? {
        if let RowName::Id(id) = codec::decode(select.column_blob(0)?)? {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Keeps conflicts, the newest ones.
pub(crate) fn record_conflicts<'a>(
    native: &Native<'_>,
    conflicts: impl IntoIterator<Item = (&'a ModelSql, &'a Conflict)>,
) -> Result<(), Fault> {
    let mut insert = native.prepare(&format!(
        "INSERT INTO main.ditto_sync_conflicts (model, id, at, kind, fields) VALUES (?1, ?2, {NOW}, ?3, ?4)"
    ))?;
    let mut any = false;
    for (sql, conflict) in conflicts {
        insert.bind_i64(1, sql.number)?;
        insert.bind_blob(2, &row_name(&conflict.id))?;
        insert.bind_i64(3, kind_number(conflict.kind))?;
        insert.bind_blob(4, &codec::encode_conflict_fields(&conflict.fields))?;
        insert.run()?;
        any = true;
    }
    if any {
        native.execute(&format!(
            "DELETE FROM main.ditto_sync_conflicts WHERE no <= (SELECT max(no) FROM main.ditto_sync_conflicts) - {CONFLICTS_MAX}"
        ))?;
    }
    Ok(())
}

/// How the tables number a way.
pub(crate) fn way_number(way: Way) -> i64 {
    match way {
        Way::Outbound => 0,
        Way::Inbound => 1,
    }
}

/// How the table numbers a kind. Durable: numbers are never given out again.
fn kind_number(kind: ConflictKind) -> i64 {
    match kind {
        ConflictKind::LocalKept => 1,
        ConflictKind::LocalDroppedByDelete => 2,
        ConflictKind::RemoteErasedByDelete => 3,
        ConflictKind::RemoteReplacedByInsert => 4,
        ConflictKind::LocalReplacedByAdoption => 5,
        ConflictKind::LocalDroppedByRestore => 6,
        ConflictKind::LostByStore => 7,
        ConflictKind::LocalDiscarded => 8,
        _ => 0,
    }
}

/// The kind of a number in the table; `None` for one that a newer version wrote.
pub(crate) fn kind_of(number: i64) -> Option<ConflictKind> {
    Some(match number {
        1 => ConflictKind::LocalKept,
        2 => ConflictKind::LocalDroppedByDelete,
        3 => ConflictKind::RemoteErasedByDelete,
        4 => ConflictKind::RemoteReplacedByInsert,
        5 => ConflictKind::LocalReplacedByAdoption,
        6 => ConflictKind::LocalDroppedByRestore,
        7 => ConflictKind::LostByStore,
        8 => ConflictKind::LocalDiscarded,
        _ => return None,
    })
}

fn named_id(name: &[u8]) -> Result<Option<u128>, Fault> {
    Ok(match codec::decode(name)? {
        RowName::Id(id) => Some(id_key(IdHash::of(&id))),
        RowName::Columns(_) => None,
    })
}

fn delete_records(way: Way) -> String {
    format!(
        "DELETE FROM main.ditto_sync_quarantine WHERE model = ?1 AND id = ?2 AND way = {}",
        way_number(way)
    )
}

fn delete(
    native: &Native<'_>,
    statement: &str,
    sql: &ModelSql,
    id: &DocumentId,
) -> Result<bool, NativeError> {
    let mut delete = native.prepare(statement)?;
    delete.bind_i64(1, sql.number)?;
    delete.bind_blob(2, &row_name(id))?;
    delete.run()?;
    Ok(native.changes() > 0)
}
