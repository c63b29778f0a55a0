//! The decisions of the mirror, as plain functions of what row, outbox and known set hold: [`outbound`], [`inbound`],
//! [`leaves_scope`], [`unacknowledge`].
//!
//! No IO, no clock. The rules are those of the executable model; ARCHITECTURE.md says where each is tested. Not here: the order in which they are called,
//! which is the coordinator's affair.

mod inbound;
mod outbound;
mod unacknowledge;

pub use inbound::{EntriesChange, Inbound, KnownChange, RowChange, inbound};
pub use outbound::{Outbound, outbound};
pub use unacknowledge::{Unacknowledged, unacknowledge};

use crate::{
    column::{ColumnValue, Image},
    hash::ContentHash,
    id::DocumentId,
    intent::OutboxSeq,
};

/// All that is durable about one row, read in one transaction. Images are canonical.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowState {
    /// The row, if it exists.
    pub row: Option<Image>,
    /// Its outbox entries; `None`: the row is clean.
    pub pending: Option<Pending>,
    /// The hash on which row and document last agreed; always the hash of the base.
    pub known: Option<ContentHash>,
}

/// The outbox entries of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The OLD image of the first entry: the base of the row. `None` when that entry is an insert, or stands for a change that no trigger saw: such a
    /// row is not sent before it has met its document.
    pub base: Option<Image>,
    /// Whether some entry is an insert: then the row goes out as a new write of every field.
    pub inserted: bool,
    /// The newest entry.
    pub last: OutboxSeq,
}

/// Concurrent changes that met, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The collection.
    pub collection: &'static str,
    /// The document.
    pub id: DocumentId,
    /// What was decided.
    pub kind: ConflictKind,
    /// The fields concerned, with both values as columns.
    pub fields: Vec<FieldConflict>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// Both sides changed a field: the local value stays and is sent as the later write. The remote value is reported.
    LocalKept,
    /// The document was deleted while local changes were unsent: delete wins. The local values are reported.
    LocalDroppedByDelete,
    /// The document changed while a local delete was unsent: delete wins. The remote values are reported.
    RemoteErasedByDelete,
    /// The document changed, or exists, while a local insert was unsent: the insert is the later write of every field. The remote values are reported.
    RemoteReplacedByInsert,
    /// A row that the store had never met gave way to the document of the same id. The local values are reported.
    LocalReplacedByAdoption,
    /// An old database file came back: this change may have been sent already and was dropped.
    LocalDroppedByRestore,
    /// The store lost a write of ours that others have changed since.
    LostByStore,
    /// Someone discarded a local change from quarantine. The local values are reported.
    LocalDiscarded,
    /// A change that the store had accepted gave way to a concurrent one of another device, by the rule of the engine. Both values are reported.
    LocalOverwritten,
}

/// One field of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The document name of the field.
    pub field: &'static str,
    /// What this device held; `None` when it held no row.
    pub local: Option<ColumnValue>,
    /// What the store held; `None` when it held no document.
    pub remote: Option<ColumnValue>,
}

/// Whether a row has to go: it is clean, agreed on, and no longer in scope.
#[must_use]
pub fn leaves_scope(state: &RowState, in_scope: bool) -> bool {
    !in_scope && state.row.is_some() && state.pending.is_none() && state.known.is_some()
}

/// The amount a counter column holds; NULL is nothing yet.
fn amount(column: &ColumnValue) -> i64 {
    match column {
        ColumnValue::Integer(amount) => *amount,
        _ => 0,
    }
}
