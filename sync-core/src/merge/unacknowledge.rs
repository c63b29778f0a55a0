//! Taking an acknowledged write back, after the store lost it: [`unacknowledge`].

use super::{Conflict, ConflictKind, Pending, RowState, amount};
use crate::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    intent::{Action, Operation, Undo},
};

/// What to change, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Unacknowledged {
    /// Row and document agree on nothing any more; the row is seeded again.
    Forget,
    /// The write is pending again: put an entry before all others of the row.
    Pending {
        /// The OLD image of that entry, the base; `None`: the row was inserted, and leaves the known set.
        base: Option<Image>,
        /// Whether that entry is an insert.
        inserted: bool,
        /// The row, where it changes: what others added to our insert is not in the store any more, and comes back from them.
        row: Option<Image>,
    },
    /// Others changed the document since: nothing is repaired, it is reported.
    Report(Conflict),
}

/// Decides how a lost operation becomes unsent again. To be called newest operation first.
///
/// An insert of a document that its model, changed since, takes for a row no more is sent anew.
#[must_use]
pub fn unacknowledge(operation: &Operation, state: &RowState) -> Unacknowledged {
    let model = operation.model;
    let base = state
        .pending
        .as_ref()
        .map_or(state.row.as_ref(), |pending| pending.base.as_ref());
    match (&operation.record.undo, state.known, base) {
        (Undo::Seed, ..) => Unacknowledged::Forget,
        (Undo::Patch { set, increments }, Some(_), Some(base)) => {
            let base = Some(without_patch(base, set, increments));
            Unacknowledged::Pending {
                base,
                inserted: false,
                row: None,
            }
        }
        (Undo::Delete { base }, None, _) if state.row.is_none() || state.pending.is_some() => {
            Unacknowledged::Pending {
                base: Some(base.clone()),
                inserted: false,
                row: None,
            }
        }
        (Undo::Insert { base: before, sent }, Some(_), Some(base)) => {
            let Some(sent) = sent.clone().or_else(|| row_of(operation)) else {
                return Unacknowledged::Forget;
            };
            let inserted_since = matches!(&state.pending, Some(Pending { inserted: true, .. }));
            let row = state
                .row
                .as_ref()
                .filter(|_| !inserted_since)
                .map(|row| without_others(model, row, base, &sent));
            Unacknowledged::Pending {
                base: before.clone(),
                inserted: true,
                row,
            }
        }
        _ => Unacknowledged::Report(Conflict {
            collection: model.collection(),
            id: operation.id.clone(),
            kind: ConflictKind::LostByStore,
            fields: Vec::new(),
        }),
    }
}

/// The row that the document of an insert stands for.
fn row_of(operation: &Operation) -> Option<Image> {
    match &operation.action {
        Action::Insert(document) => operation.model.image_of(document).ok(),
        Action::Patch { .. } | Action::Delete | Action::Seed(_) => None,
    }
}

fn without_patch(
    base: &Image,
    set: &[(usize, ColumnValue, ColumnValue)],
    increments: &[(usize, i64)],
) -> Image {
    let mut before = base.clone();
    let columns = before.columns_mut();
    for (at, was, sent) in set {
        if columns[*at] == *sent {
            columns[*at] = was.clone();
        }
    }
    for (at, increment) in increments {
        columns[*at] = ColumnValue::Integer(amount(&columns[*at]).wrapping_sub(*increment));
    }
    before
}

/// Our insert with the local changes since, but without what others wrote on top of it.
fn without_others(model: &ModelDescriptor, row: &Image, base: &Image, sent: &Image) -> Image {
    let mut mine = row.clone();
    for (at, field) in model.fields().iter().enumerate() {
        let column = &mut mine.columns_mut()[at];
        if field.is_counter() {
            let since = amount(&row[at]).wrapping_sub(amount(&base[at]));
            *column = ColumnValue::Integer(amount(&sent[at]).wrapping_add(since));
        } else if row[at] == base[at] {
            *column = sent[at].clone();
        }
    }
    mine
}
