//! What the current document of one id does to its row: [`inbound`].

use super::{Conflict, ConflictKind, FieldConflict, Pending, RowState, amount, leaves_scope};
use crate::{
    column::{ColumnValue, Image},
    descriptor::{LeftScope, ModelDescriptor},
    hash::ContentHash,
    id::DocumentId,
    repository::Remote,
    rules::{Rule, off},
    scope::Belongs,
};

/// What to change, in one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inbound {
    /// The row.
    pub row: RowChange,
    /// Its outbox entries.
    pub entries: EntriesChange,
    /// Its entry in the known set.
    pub known: KnownChange,
    /// What to report.
    pub conflict: Option<Conflict>,
}

/// What becomes of the row.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum RowChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It gets these columns; inserted when it does not exist.
    Put(Image),
    /// It is deleted, as its document was. What cascades from it is a local change.
    Delete,
    /// It leaves the scope: removed, if it is there, under full suppression; nothing is propagated.
    Leave,
}

/// What becomes of the outbox entries of the row.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum EntriesChange {
    /// They stay.
    #[default]
    Keep,
    /// They are dropped: the row is clean.
    Drop,
    /// The OLD image of the first one becomes this: the base moved. `None`: there is no base any more.
    Rebase(Option<Image>),
}

/// What becomes of the row's entry in the known set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum KnownChange {
    /// It stays.
    #[default]
    Keep,
    /// Row and document agree on the image of this hash.
    Set(ContentHash),
    /// They agree on nothing.
    Forget,
}

impl Inbound {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides what `remote`, the document of `id` as it is now (`None`: absent, deleted, a husk), does to the row.
///
/// Scope is judged first, then a known hash ends it. A clean row takes the document as it is. A dirty row is merged three ways, field by field, against its base;
/// then the base is the document. A delete wins over every unsent edit; an unsent insert is the later write of every field. While the scope is not known a clean
/// row stays as it is.
///
/// `state.row` may be left out for a row that is clean and known: it is not looked at, and taken to exist.
#[must_use]
pub fn inbound(
    model: &'static ModelDescriptor,
    id: &DocumentId,
    state: &RowState,
    remote: Option<&Remote>,
) -> Inbound {
    let meeting = Meeting { model, id };
    match (remote, &state.pending) {
        (Some(remote), pending) if state.known == Some(remote.hash) => match pending {
            None if remote.belongs == Belongs::Elsewhere && !off(Rule::ScopeFirst) => {
                meeting.leave(state, remote)
            }
            // A change that no trigger saw, and the document is what it was: that is the base.
            Some(pending) if pending.base.is_none() && !pending.inserted => Inbound {
                entries: EntriesChange::Rebase(Some(remote.image.clone())),
                ..Inbound::default()
            },
            _ => Inbound::default(),
        },
        (None, _) if state.known.is_none() => Inbound::default(),
        (None, None) => Inbound {
            row: RowChange::Delete,
            known: KnownChange::Forget,
            ..Inbound::default()
        },
        (None, Some(pending)) => meeting.gone_meets_dirty(state.row.as_ref(), pending),
        (Some(remote), None) => meeting.document_meets_clean(state, remote),
        (Some(remote), Some(pending)) => meeting.document_meets_dirty(state.row.as_ref(), pending, remote),
    }
}

struct Meeting<'a> {
    model: &'static ModelDescriptor,
    id: &'a DocumentId,
}

impl Meeting<'_> {
    fn gone_meets_dirty(&self, row: Option<&Image>, pending: &Pending) -> Inbound {
        let known = KnownChange::Forget;
        match row {
            None => Inbound {
                entries: EntriesChange::Drop,
                known,
                ..Inbound::default()
            },
            Some(_) if pending.inserted || off(Rule::DeleteWins) => Inbound {
                entries: EntriesChange::Rebase(None),
                known,
                ..Inbound::default()
            },
            Some(row) => {
                let lost = |at: usize| pending.base.as_ref().is_none_or(|base| base[at] != row[at]);
                Inbound {
                    row: RowChange::Delete,
                    entries: EntriesChange::Drop,
                    known,
                    conflict: self.report(ConflictKind::LocalDroppedByDelete, Some(row), None, lost),
                }
            }
        }
    }

    fn document_meets_clean(&self, state: &RowState, remote: &Remote) -> Inbound {
        match remote.belongs {
            Belongs::Here => {}
            Belongs::Elsewhere if state.row.is_some() || state.known.is_some() => {
                return self.leave(state, remote);
            }
            // What belongs here is looked at again as soon as that is known.
            Belongs::Elsewhere | Belongs::Unknown => return Inbound::default(),
        }
        let known = KnownChange::Set(remote.hash);
        let unmet = state.row.as_ref().filter(|_| state.known.is_none());
        if unmet.is_some_and(|row| *row == remote.image) {
            return Inbound {
                known,
                ..Inbound::default()
            };
        }
        let conflict = unmet.and_then(|row| {
            let differs = |at: usize| row[at] != remote.image[at];
            self.report(
                ConflictKind::LocalReplacedByAdoption,
                Some(row),
                Some(&remote.image),
                differs,
            )
        });
        Inbound {
            row: RowChange::Put(remote.image.clone()),
            known,
            conflict,
            ..Inbound::default()
        }
    }

    fn document_meets_dirty(&self, row: Option<&Image>, pending: &Pending, remote: &Remote) -> Inbound {
        let theirs = |at: usize| {
            pending
                .base
                .as_ref()
                .is_none_or(|base| remote.image[at] != base[at])
        };
        let known = KnownChange::Set(remote.hash);
        let rebase = EntriesChange::Rebase(Some(remote.image.clone()));
        let Some(row) = row else {
            let conflict = self.report(
                ConflictKind::RemoteErasedByDelete,
                None,
                Some(&remote.image),
                theirs,
            );
            return Inbound {
                entries: rebase,
                known,
                conflict,
                ..Inbound::default()
            };
        };
        let (merged, conflict) = match &pending.base {
            Some(base) if !pending.inserted => self.three_ways(row, base, &remote.image),
            None if !pending.inserted => self.two_ways(row, &remote.image),
            _ => {
                let replaced = |at: usize| theirs(at) && remote.image[at] != row[at];
                (
                    row.clone(),
                    self.report(
                        ConflictKind::RemoteReplacedByInsert,
                        Some(row),
                        Some(&remote.image),
                        replaced,
                    ),
                )
            }
        };
        let mut result = Inbound {
            entries: rebase,
            known,
            conflict,
            ..Inbound::default()
        };
        if ContentHash::of(self.model, &merged) == remote.hash {
            result.entries = EntriesChange::Drop;
            let clean = RowState {
                row: Some(merged.clone()),
                pending: None,
                known: Some(remote.hash),
            };
            if leaves_scope(&clean, remote.belongs != Belongs::Elsewhere) {
                return Inbound {
                    entries: EntriesChange::Drop,
                    conflict: result.conflict,
                    ..self.leave(&clean, remote)
                };
            }
        }
        if merged != *row {
            result.row = RowChange::Put(merged);
        }
        result
    }

    /// Field by field: what only the other side changed is taken; what both changed stays ours, and is reported; counters add up.
    fn three_ways(&self, row: &Image, base: &Image, remote: &Image) -> (Image, Option<Conflict>) {
        let mut merged = row.clone();
        let mut clash = vec![false; row.columns().len()];
        for (at, field) in self.model.fields().iter().enumerate() {
            if field.is_counter() {
                if remote[at] != base[at] {
                    let growth = amount(&remote[at]).wrapping_sub(amount(&base[at]));
                    merged.columns_mut()[at] = ColumnValue::Integer(amount(&row[at]).wrapping_add(growth));
                }
            } else if remote[at] != base[at] && remote[at] != row[at] {
                if row[at] == base[at] {
                    merged.columns_mut()[at] = remote[at].clone();
                } else {
                    clash[at] = true;
                }
            }
        }
        let conflict = self.report(ConflictKind::LocalKept, Some(row), Some(remote), |at| clash[at]);
        (merged, conflict)
    }

    /// Both sides have changed and nobody knows from what: the row stays, as in a clash of all fields that differ, and is reported; but counters take the
    /// sum of the increments that the store has seen.
    fn two_ways(&self, row: &Image, remote: &Image) -> (Image, Option<Conflict>) {
        let mut merged = row.clone();
        for (at, field) in self.model.fields().iter().enumerate() {
            if field.is_counter() {
                merged.columns_mut()[at] = remote[at].clone();
            }
        }
        let conflict = self.report(ConflictKind::LocalKept, Some(row), Some(remote), |at| {
            row[at] != remote[at]
        });
        (merged, conflict)
    }

    fn leave(&self, state: &RowState, remote: &Remote) -> Inbound {
        let row = match self.model.left_scope() {
            LeftScope::Delete => RowChange::Leave,
            LeftScope::Keep => RowChange::Keep,
        };
        let known = match state.known {
            Some(_) if off(Rule::Forget) => KnownChange::Set(remote.hash),
            _ => KnownChange::Forget,
        };
        Inbound {
            row,
            known,
            ..Inbound::default()
        }
    }

    fn report(
        &self,
        kind: ConflictKind,
        local: Option<&Image>,
        remote: Option<&Image>,
        concerned: impl Fn(usize) -> bool,
    ) -> Option<Conflict> {
        let fields: Vec<_> = (0..self.model.fields().len())
            .filter(|&at| !self.model.fields()[at].is_volatile() && concerned(at))
            .map(|at| FieldConflict {
                field: self.model.fields()[at].document_name(),
                local: local.map(|image| image[at].clone()),
                remote: remote.map(|image| image[at].clone()),
            })
            .collect();
        let conflict = Conflict {
            collection: self.model.collection(),
            id: self.id.clone(),
            kind,
            fields,
        };
        (!conflict.fields.is_empty()).then_some(conflict)
    }
}
