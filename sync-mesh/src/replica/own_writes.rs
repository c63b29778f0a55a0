//! The newest own writes of a shard: [`OwnWrites`], from which is told what others have replaced without knowing it.

use std::collections::HashMap;

use ditto_sync_core::{
    document::FieldName,
    store::{Overwritten, OverwrittenField},
    value::Value,
};
use loro::{ID, VersionVector};
use smol_str::SmolStr;

use crate::{
    data::{Searched, Shard, id_of},
    limits::OWN_WRITES_MAX,
};

/// The newest own writes, by row.
#[derive(Debug, Default)]
pub(super) struct OwnWrites {
    /// Under which number they were made, and up to where they were read.
    read: (u64, i32),
    rows: HashMap<SmolStr, HashMap<FieldName, (i32, Value)>>,
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
            fields.insert(write.field, (write.operation, write.value));
        }
        self.read.1 = end;
        self.rows.retain(|_, fields| {
            fields.retain(|_, (operation, _)| *operation >= oldest);
            !fields.is_empty()
        });
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
        let document = shard.row(name).view();
        let mut lost = Vec::new();
        fields.retain(|field, (operation, ours)| {
            let theirs = document.as_ref().and_then(|document| document.get(field));
            if theirs == Some(ours) {
                return true;
            }
            let by = document.is_some().then_some(field);
            if shard.is_written_blindly((name, by), ID::new(writer, *operation), (before, searched)) {
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
