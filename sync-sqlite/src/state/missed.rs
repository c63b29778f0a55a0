//! Captures what happened to rows while the triggers of their table were missing: [`capture_missed`].
//!
//! A table rebuild drops them, and other tools may. Then the known set tells what has changed: a row whose hash is another one has changed, from what nobody
//! knows; a row that is unknown, of a table that was seeded completely, is new. Rows that are gone have left no name: they are found by the
//! reconcile that follows (`inspect::unseen`), and become local deletes when their documents are looked at.

use ditto_sync_core::hash::{ContentHash, IdHash};

use super::{Fault, ModelSql, rehash::read_all};
use crate::{
    known::id_key,
    layout::kind,
    native::Native,
    outbox::{self, EntryKey, NewEntry, read_image, read_key},
};

/// Writes an outbox entry for every row that has changed unseen, in the transaction that puts the triggers back.
pub(super) fn capture_missed(native: &Native<'_>, sql: &ModelSql) -> Result<(), Fault> {
    if !sql.model.direction().sends() {
        return Ok(());
    }
    let (known, dirty) = read_all(native, sql)?;
    let seeded = is_seeded(native, sql)?;
    // A document that is never looked at cannot be a base: the row goes out whole.
    let changed = if sql.model.direction().receives() {
        kind::MISSED
    } else {
        kind::INSERT
    };
    let mut entries = Vec::new();
    let mut rows = native.prepare(&sql.first_rows)?;
    rows.bind_i64(1, -1)?;
    while rows.step()? {
        let EntryKey::Id(document, key) = read_key(&rows, sql, 0)? else {
            continue;
        };
        let id = id_key(IdHash::of(&document));
        if dirty.get(id).is_some() || known.is_kept(id) {
            continue;
        }
        let row = outbox::canonical(sql, read_image(&rows, sql, sql.keys()))?.ok();
        let hash = row.map(|row| ContentHash::of(sql.model, &row));
        match known.get(id) {
            Some(known) if hash == Some(known) => {}
            Some(_) => entries.push((changed, key)),
            None if seeded => entries.push((kind::INSERT, key)),
            None => {}
        }
    }
    drop(rows);
    if !entries.is_empty() {
        let (table, rows) = (sql.model.table(), entries.len());
        tracing::warn!(
            table,
            rows,
            "rows have changed while the capture triggers were missing"
        );
    }
    for (kind, key) in &entries {
        let entry = NewEntry {
            kind,
            key,
            base: None,
        };
        outbox::append(native, sql, entry)?;
    }
    Ok(())
}

fn is_seeded(native: &Native<'_>, sql: &ModelSql) -> Result<bool, Fault> {
    let mut select = native.prepare("SELECT seeded FROM main.ditto_sync_models WHERE no = ?1")?;
    select.bind_i64(1, sql.number)?;
    Ok(select.step()? && select.column_i64(0) != 0)
}
