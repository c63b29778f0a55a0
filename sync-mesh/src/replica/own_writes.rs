//! The newest own writes of a shard: [`OwnWrites`], from which is told what others have replaced without knowing it.

use std::collections::HashMap;

use ditto_sync_core::{
    document::{Document, FieldName},
    store::{Overwritten, OverwrittenField},
    value::Value,
};
use loro::{ID, VersionVector};
use smol_str::SmolStr;

use crate::{
    data::{Instance, Searched, Shard, id_of},
    limits::OWN_WRITES_MAX,
};

/// By move and field: the operation that has written it, and the value.
type Fields = HashMap<(u32, FieldName), (i32, Value)>;

/// The newest own writes, by row, and by the move with which it had come and the field.
#[derive(Debug, Default)]
pub(super) struct OwnWrites {
    /// Under which number they were made, and up to where they were read.
    read: (u64, i32),
    rows: HashMap<SmolStr, Fields>,
}

impl OwnWrites {
    /// Reads what was written under this number since the last time.
    pub(super) fn catch_up(&mut self, shard: &Shard, writer: u64, version: &VersionVector) {
        if self.read.0 != writer {
            *self = Self::default();
            self.read.0 = writer;
        }
        let end = version.get(&writer).copied().unwrap_or(0);
        if self.read.1 >= end {
            return;
        }
        let oldest = end.saturating_sub(OWN_WRITES_MAX);
        for write in shard.field_writes(writer, self.read.1.max(oldest)) {
            let fields = self.rows.entry(write.row.into()).or_default();
            fields.insert((write.moves, write.field), (write.operation, write.value));
        }
        self.read.1 = end;
        self.rows.retain(|_, fields| {
            fields.retain(|_, (operation, _)| *operation >= oldest);
            !fields.is_empty()
        });
    }

    /// The own moves of a row to this document that did not last, because of others that did not know them: `is_lost` says of which moves that is true. Told once.
    pub(super) fn lost_moves(
        &mut self,
        name: &SmolStr,
        scope: &[(SmolStr, Value)],
        is_lost: impl Fn(u32) -> bool,
    ) -> Vec<(FieldName, Value)> {
        let Some(fields) = self.rows.get_mut(name) else {
            return Vec::new();
        };
        let mut lost = Vec::new();
        fields.retain(|(moves, field), (_, ours)| {
            let is_of_it = scope.iter().any(|(name, value)| name == field && value == ours);
            let is_lost = *moves > 0 && is_of_it && is_lost(*moves);
            if is_lost {
                lost.push((field.clone(), ours.clone()));
            }
            !is_lost
        });
        lost
    }

    /// The own values in a row that changes after `before` have replaced without knowing them. Told once.
    pub(super) fn overwritten(
        &mut self,
        shard: &Shard,
        name: &SmolStr,
        (before, searched): (&VersionVector, &mut Searched),
    ) -> Option<Overwritten> {
        let writer = self.read.0;
        let fields = self.rows.get_mut(name)?;
        let row = shard.row(name);
        let mut views: HashMap<u32, Option<Document>> = HashMap::new();
        let mut lost = Vec::new();
        fields.retain(|(moves, field), (operation, ours)| {
            let instance = row.instance(*moves);
            let view = || instance.and_then(Instance::view);
            let document = views.entry(*moves).or_insert_with(view);
            let theirs = document.as_ref().and_then(|document| document.get(field));
            if theirs == Some(ours) {
                return true;
            }
            let by = document.is_some().then_some(field);
            let seen = ID::new(writer, *operation);
            // What somebody wrote where the row was before was written without knowing ours, whatever was known by the one who took it over.
            let shown = instance.filter(|_| document.is_some());
            let is_taken_over = shown.is_some_and(|instance| {
                shard.is_taken_over((name, *moves, field), instance, (before, searched))
            });
            if is_taken_over || shard.is_written_blindly((name, *moves, by), seen, (before, searched)) {
                lost.push(OverwrittenField {
                    field: field.clone(),
                    ours: ours.clone(),
                    theirs: theirs.cloned(),
                });
            }
            false
        });
        let id = id_of(name).filter(|_| !lost.is_empty())?;
        Some(Overwritten { id, fields: lost })
    }
}
