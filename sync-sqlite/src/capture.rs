//! Capture: triggers on the app's tables that write every change into the outbox, inside the app's own statement.
//!
//! # Which trigger does what
//! - **before an insert**, each row that REPLACE may be about to remove is kept as a provisional entry `R`: the row of the same id (last), and rows that
//!   stand in the way by another unique key, for which SQLite fires no trigger unless `recursive_triggers` is on.
//! - **after an insert**: `I`, unless the newest entry is the `R` of this very id, which says enough: a REPLACE over the same key is an update. An `R` that an
//!   earlier statement left is never taken for it: the trigger before the insert first makes it a `U`, or a `D` if it is of this id and its row is gone. It must not
//!   ask for the id alone, which is not known yet where SQLite assigns it.
//! - **before an update** of a mapped column: `U` with the OLD image, if any value really differs.
//! - **before an update of the id**: `D` with the OLD image; and `R`s as before an insert, in case it is an UPDATE OR REPLACE. **After** it: as after an insert.
//! - **before a delete**: `D` with the OLD image, or `R` if it follows such an `R`: then it may be REPLACE that deletes, with `recursive_triggers` on.
//!
//! OLD images are taken *before* the change, so that the app's own AFTER triggers, which may write the row again (`updated_at`), come later in the outbox
//! in whatever order SQLite fires them. A statement that then changes nothing (OR IGNORE) leaves an entry that stands for no change.
//!
//! # What a trigger body must never do
//! Use `INSERT OR ..`: the outer statement's clause overrides it. Name temporary tables or functions of an application: every other writer would fail.
//!
//! Not here: reading the outbox.

mod install;
#[cfg(test)]
mod tests;
mod trigger;

pub(crate) use install::{install, remove};
