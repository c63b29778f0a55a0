//! The mark that tells capture triggers, and the app's own, what is being applied right now.
//!
//! It is lowered before the commit, so nobody but this transaction ever sees it raised. Not here: the triggers that read it (`capture`).

use ditto_sync_core::column::ColumnValue;

use crate::{
    native::{Native, NativeError, Statement},
    state::{Fault, ModelSql},
};

/// Everything is suppressed, whatever row it is about.
const EVERYTHING: i64 = -1;

/// Suppresses, when run with a row's key, the capture of exactly this row: what cascades from it is a local change.
pub(crate) fn prepare_raise<'n>(
    native: &'n Native<'n>,
    sql: &ModelSql,
) -> Result<Statement<'n>, NativeError> {
    let columns: Vec<_> = (0..sql.keys())
        .map(|at| format!(", k{at} = ?{}", at + 1))
        .collect();
    native.prepare(&format!(
        "UPDATE main.ditto_sync_guard SET active = {}{}",
        sql.number,
        columns.concat()
    ))
}

/// Suppresses the capture of everything.
pub(crate) fn raise_for_everything(native: &Native<'_>) -> Result<(), NativeError> {
    native.execute(&format!("UPDATE main.ditto_sync_guard SET active = {EVERYTHING}"))
}

/// Captures everything again.
pub(crate) fn lower(native: &Native<'_>) -> Result<(), NativeError> {
    native.execute(
        "UPDATE main.ditto_sync_guard SET active = 0, k0 = NULL, k1 = NULL, k2 = NULL, k3 = NULL, k4 = NULL, \
         k5 = NULL, k6 = NULL, k7 = NULL WHERE active <> 0",
    )
}

/// Removes a row that left the scope, under full suppression; `false` when other rows refer to it: then it stays.
pub(crate) fn remove_quietly(
    native: &Native<'_>,
    sql: &ModelSql,
    key: &[ColumnValue],
) -> Result<bool, Fault> {
    native.execute("SAVEPOINT ditto_sync_leave")?;
    raise_for_everything(native)?;
    let mut delete = native.prepare(&sql.delete_row)?;
    delete.bind_all(key)?;
    let outcome = delete.run();
    drop(delete);
    let removed = match outcome {
        Ok(()) => !native.has_unresolved_foreign_keys(),
        Err(error) if error.is_constraint() => false,
        Err(error) => return Err(error.into()),
    };
    if !removed {
        native.execute("ROLLBACK TO ditto_sync_leave")?;
    }
    native.execute("RELEASE ditto_sync_leave")?;
    lower(native)?;
    Ok(removed)
}
