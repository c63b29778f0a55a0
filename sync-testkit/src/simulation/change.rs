//! What an app writes when a schedule says so: [`Change`].

use ditto_sync_core::{column::Image, id::DocumentId};

use super::{ledger::Ledger, schedule::AppKind, shape::Shape};
use crate::app_change::AppChange;

/// What an app writes.
pub(super) struct Change {
    new: Option<Image>,
    pub(super) writes: Vec<usize>,
    pub(super) delta: Vec<i64>,
    pub(super) slot: Option<usize>,
}

impl Change {
    /// `None` when it does not apply, or when no digit is left to tell it apart.
    pub(super) fn of(
        shape: &Shape,
        ledger: &mut Ledger,
        (kind, id, tag): (AppKind, &DocumentId, u32),
        old: Option<&Image>,
    ) -> Option<Self> {
        use AppKind::{
            A, AIncrement, Ab, Adopt, B, Delete, Increment, Insert, Move, Reinsert, Replace, Same, Set,
        };
        let counts = matches!(kind, Insert | Reinsert | Increment | AIncrement | Set | Replace);
        if kind == Adopt && shape.parents() < 2 {
            return None;
        }
        if (kind == Move && shape.side.is_none()) || (matches!(kind, Increment | Set) && shape.slots() == 0) {
            return None;
        }
        let slot = match counts && shape.slots() > 0 {
            true => Some(ledger.new_slot(shape, id)?),
            false => None,
        };
        let unit = shape.unit(slot);
        let was = old.map_or_else(|| vec![0; unit.len()], |old| shape.amounts(old));
        if matches!(kind, Insert | Reinsert) {
            let mut fresh = shape.fresh(tag, slot);
            shape.refer(&mut fresh, tag as usize % shape.parents().max(1));
            return Some(Self {
                new: Some(fresh),
                writes: shape.registers(),
                delta: unit,
                slot,
            });
        }
        let mut new = old?.clone();
        let mut writes = Vec::new();
        let mut write = |at: usize, code: i64| {
            shape.write(&mut new, at, code);
            writes.push(at);
        };
        if matches!(kind, A | Ab | Replace | AIncrement) {
            write(shape.a, tag.into());
        }
        if matches!(kind, B | Ab | Replace) {
            write(shape.b, tag.into());
        }
        if kind == Same {
            write(shape.a, -1 - i64::from(tag % 2));
        }
        if kind == Move {
            write(shape.side?, Shape::side_code(tag, !shape.is_on_second_side(old?)));
        }
        if kind == Adopt {
            let parent = shape.parent(old?)? + 1;
            shape.refer(&mut new, parent % shape.parents());
        }
        let amounts = match kind {
            Increment | AIncrement => was.iter().zip(&unit).map(|(was, unit)| was + unit).collect(),
            Set | Replace => unit,
            _ => was.clone(),
        };
        shape.set_amounts(&mut new, &amounts);
        let gone = kind == Delete;
        let delta = amounts.iter().zip(&was).map(|(now, was)| now - was).collect();
        Some(Self {
            new: (!gone).then_some(new),
            writes,
            delta: if gone { vec![0; was.len()] } else { delta },
            slot,
        })
    }

    /// `plainly`: without REPLACE, which deletes the row and its children in between, where other rows refer to it.
    pub(super) fn statement(
        &self,
        (shape, plainly): (&Shape, bool),
        id: &DocumentId,
        kind: AppKind,
    ) -> AppChange {
        let model = shape.model;
        match (&self.new, kind) {
            (None, _) => AppChange::delete(model, id),
            (Some(image), AppKind::Insert) => AppChange::insert(model, id, image),
            (Some(image), AppKind::Reinsert) => AppChange::Transaction(vec![
                AppChange::delete(model, id),
                AppChange::insert(model, id, image),
            ]),
            // An update that changes nothing is captured when it is a replace.
            (Some(image), AppKind::Replace | AppKind::Touch) if !plainly => {
                AppChange::replace(model, id, image)
            }
            (Some(image), _) => AppChange::upsert(model, id, image),
        }
    }
}
