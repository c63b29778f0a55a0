//! Makes known hashes again when a model's columns, or the way they are hashed, have changed: [`hash_again`].
//!
//! So a newly mapped column does not make every row look changed. Not here: telling that they have changed (`layout`).

use ditto_sync_core::{
    column::{ColumnValue, Image},
    hash::{ContentHash, IdHash},
};

use super::{Fault, ModelSql};
use crate::{
    known::{self, KEPT, Known, KnownWrite, content_key, id_key},
    layout::kind,
    native::Native,
    outbox::{self, EntryKey, NewEntry, Outbox, read_image, read_key},
};

/// The copy of the known set and of the outbox as a transaction finds them.
pub(super) fn read_all(native: &Native<'_>, sql: &ModelSql) -> Result<(Known, Outbox), Fault> {
    let mut known = Known::default();
    let mut after = None;
    loop {
        after = known.load_slice(native, &sql.known, after)?;
        if after.is_none() {
            break;
        }
    }
    let mut dirty = Outbox::default();
    dirty.read(native, sql)?;
    Ok((known, dirty))
}

/// Known hashes are made again from the bases: clean rows themselves, and OLD images of dirty ones. What has no readable base any more is forgotten.
///
/// Documents hold nothing yet in `new_fields`, those that were not mapped before. So the base holds there what a missing field stands for; where the row holds
/// something else (a migration has filled the column), that is a local change.
pub(super) fn hash_again(native: &Native<'_>, sql: &ModelSql, new_fields: &[usize]) -> Result<(), Fault> {
    let (known, dirty) = read_all(native, sql)?;
    let missing: Vec<(usize, ColumnValue)> = new_fields
        .iter()
        .map(|&at| (at, sql.model.fields()[at].missing().unwrap_or_default()))
        .collect();
    let (mut writes, mut changed) = (Vec::new(), Vec::new());
    let mut keep = |id: u128, hash: Option<ContentHash>| {
        if known.contains(id) {
            let hash = if known.is_kept(id) {
                Some(KEPT)
            } else {
                hash.map(content_key)
            };
            writes.push(KnownWrite { model: 0, id, hash });
        }
    };
    for (id, entries) in dirty.rows() {
        let base = outbox::base_image(native, sql, entries).map(Option::unwrap_or_default);
        let base = if entries.has_base() {
            outbox::canonical(sql, base)?.ok()
        } else {
            None
        };
        keep(id, base.map(|base| ContentHash::of(sql.model, &base)));
    }
    let mut rows = native.prepare(&sql.first_rows)?;
    rows.bind_i64(1, -1)?;
    while rows.step()? {
        let EntryKey::Id(document, key) = read_key(&rows, sql, 0)? else {
            continue;
        };
        let id = id_key(IdHash::of(&document));
        if dirty.get(id).is_some() {
            continue;
        }
        let row = outbox::canonical(sql, read_image(&rows, sql, sql.keys()))?.ok();
        let base = row.map(|row| {
            let base = without(&row, &missing);
            if base != row && known.get(id).is_some() && sql.model.direction().sends() {
                changed.push((key, base.clone()));
            }
            base
        });
        keep(id, base.map(|base| ContentHash::of(sql.model, &base)));
    }
    drop(rows);
    for (key, base) in &changed {
        let entry = NewEntry {
            kind: kind::UPDATE,
            key,
            base: Some(base),
        };
        outbox::append(native, sql, entry)?;
    }
    native.execute(&format!("DELETE FROM {}", sql.known))?;
    writes.retain(|write| write.hash.is_some());
    known::append(native, &sql.known, &writes)?;
    Ok(())
}

/// The row as its document says it, which has nothing in these fields.
fn without(row: &Image, missing: &[(usize, ColumnValue)]) -> Image {
    let mut base = row.clone();
    for (at, value) in missing {
        base.columns_mut()[*at].clone_from(value);
    }
    base
}
