//! Who wrote what in a shard, and what they had seen: needed to tell that a value was replaced by somebody who did not know it.

use std::collections::HashMap;

use ditto_sync_core::{document::FieldName, value::Value};
use loro::{ID, IdSpan, VersionVector};

use super::{
    Shard,
    rebase::{count, operations},
};
use crate::data::{
    encoding::{Decoded, decode},
    key::Key,
};

/// Operations among which the one that counts is looked for; beyond it the newest stands for it, which has seen the most.
const SEARCHED_MAX: i32 = 10_000;

/// A value that one operation has set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldWrite {
    /// The root name of the row.
    pub(crate) row: String,
    pub(crate) field: FieldName,
    /// Which operation of the writer.
    pub(crate) operation: i32,
    pub(crate) value: Value,
}

/// Of each editor, the newest of its operations after some version that set a key of a row. Read once for all rows of an import, because it takes as long as the operations are many.
#[derive(Debug, Default)]
pub(crate) struct Searched(HashMap<u64, HashMap<(String, String), i32>>);

impl Shard {
    /// The values that a writer has set with its operations from `start` on; counters left out, they only add up.
    pub(crate) fn field_writes(&self, writer: u64, start: i32) -> Vec<FieldWrite> {
        let end = count(&self.version(), writer);
        let writes = operations(&self.document, IdSpan::new(writer, start, end));
        let writes = writes.into_iter().filter_map(|(operation, _, row, key, value)| {
            let Some(Key::Register(field)) = Key::decode(&key) else {
                return None;
            };
            match decode(&value?) {
                Decoded::Value(value) => Some(FieldWrite {
                    row,
                    field,
                    operation,
                    value,
                }),
                Decoded::Removed | Decoded::Foreign => None,
            }
        });
        writes.collect()
    }

    /// Whether what stands in a field now (`None`: whether the row lives) was written, after `before`, by somebody who had not seen this operation.
    pub(crate) fn is_written_blindly(
        &self,
        (row, field): (&str, Option<&FieldName>),
        seen: ID,
        (before, searched): (&VersionVector, &mut Searched),
    ) -> bool {
        let key = match field {
            Some(field) => Key::Register(field.clone()),
            None => Key::State,
        }
        .encode();
        let Some(editor) = self.document.get_map(row).get_last_editor(&key) else {
            return false;
        };
        let (start, end) = (count(before, editor), count(&self.version(), editor));
        if editor == seen.peer || start >= end {
            return false;
        }
        let newest = ID::new(editor, end - 1);
        let written = (end - start <= SEARCHED_MAX)
            .then(|| {
                let newest = searched.0.entry(editor).or_insert_with(|| {
                    let operations = operations(&self.document, IdSpan::new(editor, start, end));
                    let newest = operations
                        .into_iter()
                        .map(|(operation, _, row, key, _)| ((row, key), operation));
                    newest.collect()
                });
                let found = newest.get(&(row.to_owned(), key));
                found.map(|operation| ID::new(editor, *operation))
            })
            .flatten()
            .unwrap_or(newest);
        let past = self.document.frontiers_to_vv(&written.into());
        past.is_some_and(|past| count(&past, seen.peer) <= seen.counter)
    }
}
