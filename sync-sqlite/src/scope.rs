//! Rows that left the scope: removed under full suppression and forgotten. Nothing is propagated.
//!
//! Not here: when a row has left it (`merge::leaves_scope`).

use ditto_sync_core::{column::ColumnValue, descriptor::LeftScope};

use crate::{
    apply::guard,
    known::KnownWrite,
    native::Native,
    state::{Fault, Memory, ModelSql},
};

/// Lets a clean row leave; whether it did. It stays while other rows refer to it; the next reconcile tries again.
pub(crate) fn leave(
    native: &Native<'_>,
    memory: &mut Memory,
    (sql, model): (&ModelSql, usize),
    (id, key): (u128, &[ColumnValue]),
) -> Result<bool, Fault> {
    if sql.model.left_scope() == LeftScope::Delete && !guard::remove_quietly(native, sql, key)? {
        return Ok(false);
    }
    memory.write_known(KnownWrite {
        model,
        id,
        hash: None,
    });
    Ok(true)
}
