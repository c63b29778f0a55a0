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

/// What is parked or quarantined of one model.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Ids with a parked document, or one in quarantine.
    inbound: HashSet<u128>,
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
            if records.column_i64(1) == way_number(Way::Inbound) {
                troubles.inbound.extend(named_id(name)?);
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
            _ => self.inbound.extend(named_id(record.name)?),
        }
        let mut put = native.prepare(&format!(
            "INSERT INTO main.ditto_sync_quarantine (model, id, way, reason, raw, attempts, since)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, {NOW})
             ON CONFLICT (model, id, way) DO UPDATE SET reason = excluded.reason, raw = excluded.raw, attempts = attempts + 1
             WHERE reason IS NOT excluded.reason OR raw IS NOT excluded.raw"
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
        if !self.inbound.remove(&id_key(IdHash::of(id))) {
            return Ok(false);
        }
        let parked = "DELETE FROM main.ditto_sync_parked WHERE model = ?1 AND id = ?2";
        let was_parked = delete(native, parked, sql, id)?;
        let was_quarantined = delete(native, &delete_records(Way::Inbound), sql, id)?;
        Ok(was_parked || was_quarantined)
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
        _ => 0,
    }
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
