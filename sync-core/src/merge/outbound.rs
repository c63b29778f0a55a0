//! What to send of one row: [`outbound`].

use super::{RowState, amount};
use crate::{
    column::Image,
    descriptor::{ModelDescriptor, RowError},
    document::FieldName,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Expect, Operation, OutboxSeq, Record, Undo},
    rules::{Rule, off},
    scope::is_local,
};

/// What to do about one row's local changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Outbound {
    /// Nothing: the row is clean.
    Nothing,
    /// Its entries mean nothing: drop them, and look whether the row (`None`: there is none), now clean, has left the scope.
    Drop(Option<Image>),
    /// Nothing, as long as it is as it is: its scope fields are NULL, so it belongs nowhere and is this device's own.
    Local,
    /// Send this.
    Send(Box<Operation>),
}

/// Decides what to send of a row.
///
/// | known | first OLD | row now | decision |
/// |---|---|---|---|
/// | no | no entry | present | seed the row |
/// | no | image | any | seed the OLD image; the change follows |
/// | no | none | present / gone | insert / drop |
/// | yes | image | gone | delete |
/// | yes | image | present, some entry is an insert | insert over it |
/// | yes | image | present, only updates | patch; drop when nothing differs, or nothing but volatile fields |
/// | any | any | present, and [belongs nowhere](is_local) | nothing; its changes wait |
///
/// A row that belonged nowhere before, and so was never sent, is inserted once it belongs somewhere.
///
/// # Errors
/// When a column cannot be sent; the row is quarantined.
pub fn outbound(
    model: &'static ModelDescriptor,
    id: &DocumentId,
    state: RowState,
) -> Result<Outbound, RowError> {
    let draft = Drafting { model, id };
    let local = |row: &Image| is_local(model, row);
    let RowState { row, pending, known } = state;
    let Some(pending) = pending else {
        return match (row, known) {
            (Some(row), None) if local(&row) => Ok(Outbound::Local),
            (Some(row), None) => draft.seed(row),
            _ => Ok(Outbound::Nothing),
        };
    };
    let covers = Some(pending.last);
    match (row, known, pending.base) {
        (Some(row), _, _) if local(&row) => Ok(Outbound::Local),
        (_, None, Some(base)) if !off(Rule::SeedBase) && !local(&base) => draft.seed(base),
        (None, None, _) => Ok(Outbound::Drop(None)),
        (None, Some(known), base) => {
            let base = base.unwrap_or_default();
            let record = Record {
                covers,
                sent: None,
                undo: Undo::Delete { base },
            };
            Ok(draft.send(Expect::Hash(known), Action::Delete, record))
        }
        (Some(row), Some(known), Some(base)) if !pending.inserted => draft.patch((row, base), known, covers),
        (Some(mut row), known, base) => {
            let undo = Undo::Insert {
                base: known.and(base),
                sent: None,
            };
            let record = Record {
                covers,
                sent: Some(ContentHash::of(model, &row)),
                undo,
            };
            let action = Action::Insert(model.take_document(id, &mut row)?);
            Ok(draft.send(known.map_or(Expect::Absent, Expect::Hash), action, record))
        }
    }
}

struct Drafting<'a> {
    model: &'static ModelDescriptor,
    id: &'a DocumentId,
}

impl Drafting<'_> {
    fn seed(&self, mut image: Image) -> Result<Outbound, RowError> {
        let record = Record {
            covers: None,
            sent: Some(ContentHash::of(self.model, &image)),
            undo: Undo::Seed,
        };
        let document = self.model.take_document(self.id, &mut image)?;
        Ok(self.send(Expect::Absent, Action::Seed(document), record))
    }

    fn patch(
        &self,
        (mut row, mut base): (Image, Image),
        known: ContentHash,
        covers: Option<OutboxSeq>,
    ) -> Result<Outbound, RowError> {
        let (mut set, mut increments) = (Vec::new(), Vec::new());
        let (mut undo_set, mut undo_increments) = (Vec::new(), Vec::new());
        let fields = self.model.fields();
        if (0..fields.len()).all(|at| fields[at].is_volatile() || row[at] == base[at]) {
            return Ok(Outbound::Drop(Some(row)));
        }
        let sent = Some(ContentHash::of(self.model, &row));
        for (at, field) in fields.iter().enumerate() {
            // Volatile fields travel with every change of another: whether they have changed since they were last sent, the base does not tell.
            if row[at] == base[at] && !field.is_volatile() {
                continue;
            }
            if field.is_counter() {
                let increment = amount(&row[at]).wrapping_sub(amount(&base[at]));
                increments.push((FieldName::new_static(field.document_name()), increment));
                undo_increments.push((at, increment));
            } else {
                let value = self.model.field_value(field, &row[at])?;
                set.push((FieldName::new_static(field.document_name()), value));
                undo_set.push((at, base.take(at), row.take(at)));
            }
        }
        let undo = Undo::Patch {
            set: undo_set,
            increments: undo_increments,
        };
        let record = Record { covers, sent, undo };
        Ok(self.send(Expect::Hash(known), Action::Patch { set, increments }, record))
    }

    fn send(&self, expect: Expect, action: Action, record: Record) -> Outbound {
        Outbound::Send(Box::new(Operation {
            model: self.model,
            id: self.id.clone(),
            expect,
            action,
            record,
        }))
    }
}
