//! Who wrote what in a shard, and what they had seen: needed to tell that a value was replaced by somebody who did not know it.

use std::collections::HashMap;

use ditto_sync_core::{document::FieldName, value::Value};
use loro::{ID, IdSpan, LoroValue, VersionVector};

use super::{
    Shard,
    rebase::{Operation, count, operations},
};
use crate::data::{
    encoding::{Decoded, decode},
    instance::Instance,
    key::Key,
};

/// Operations among which the one that counts is looked for; beyond it the newest stands for it, which has seen the most.
const SEARCHED_MAX: i32 = 10_000;

/// A value that one operation has set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldWrite {
    /// The root name of the row.
    pub(crate) row: String,
    /// The move with which the row had come to this document.
    pub(crate) moves: u32,
    pub(crate) field: FieldName,
    /// Which operation of the writer.
    pub(crate) operation: i32,
    pub(crate) value: Value,
}

/// Of each editor, the newest of its operations after some version that set a key of a row. Read once for all rows of an import, because it takes as long as the operations are many.
#[derive(Debug, Default)]
pub(crate) struct Searched(HashMap<u64, Newest>);

/// By row and key, the newest operation that has set it.
type Newest = HashMap<(String, String), i32>;

/// One operation on a row.
struct Written {
    operation: i32,
    row: String,
    moves: u32,
    key: Key,
    value: Option<LoroValue>,
}

impl Written {
    fn of((operation, _, row, key, value): Operation) -> Option<Self> {
        let (moves, key) = Key::decode(&key)?.place();
        Some(Self {
            operation,
            row,
            moves,
            key,
            value,
        })
    }

    /// Whether it tells from where the value of the other one was taken over.
    fn tells_origin_of(&self, other: &Self) -> bool {
        let is_same_row = self.row == other.row && self.moves == other.moves;
        is_same_row && matches!(&self.key, Key::Known(_, key) if **key == other.key)
    }
}

impl Shard {
    /// The values that a writer has set with its operations from `start` on; counters left out, they only add up, and so is what was taken over from another place.
    pub(crate) fn field_writes(&self, writer: u64, start: i32) -> Vec<FieldWrite> {
        let end = count(&self.version(), writer);
        let operations = operations(&self.document, IdSpan::new(writer, start, end));
        let operations: Vec<Written> = operations.into_iter().filter_map(Written::of).collect();
        let mut writes = Vec::new();
        for (at, written) in operations.iter().enumerate() {
            let next = operations.get(at + 1);
            let Key::Register(field) = &written.key else {
                continue;
            };
            // What was only taken over from another place is no write of ours.
            if next.is_some_and(|next| next.tells_origin_of(written)) {
                continue;
            }
            if let Some(Decoded::Value(value)) = written.value.as_ref().map(decode) {
                writes.push(FieldWrite {
                    row: written.row.clone(),
                    moves: written.moves,
                    field: field.clone(),
                    operation: written.operation,
                    value,
                });
            }
        }
        writes
    }

    /// Whether the value of a field was taken over from another place of the row: by the last one who wrote it, who wrote next to it where it comes from. Somebody who sets the same value
    /// himself, afterwards, means it. `instance` is what the row holds since this move. What was written after `before` is looked through.
    pub(crate) fn is_taken_over(
        &self,
        (row, moves, field): (&str, u32, &FieldName),
        instance: &Instance,
        (before, searched): (&VersionVector, &mut Searched),
    ) -> bool {
        let map = self.document.get_map(row);
        let key = Key::Register(field.clone());
        let value = key.clone().at(moves).encode();
        let Some(editor) = map.get_last_editor(&value) else {
            return false;
        };
        let newest = self.newest(editor, before, searched);
        let written = |key: &str| newest.and_then(|newest| newest.get(&(row.to_owned(), key.to_owned())));
        instance.origins(&key, instance.hash_of(&key)).any(|(origin, _)| {
            let known = Key::Known(origin, Box::new(key.clone())).at(moves).encode();
            let is_later = written(&value).is_some() && written(&value) > written(&known);
            map.get_last_editor(&known) == Some(editor) && !is_later
        })
    }

    /// Whether what stands in a field now (`None`: whether the row lives) was written, after `before`, by somebody who had not seen this operation.
    pub(crate) fn is_written_blindly(
        &self,
        (row, moves, field): (&str, u32, Option<&FieldName>),
        seen: ID,
        (before, searched): (&VersionVector, &mut Searched),
    ) -> bool {
        let key = match field {
            Some(field) => Key::Register(field.clone()),
            None => Key::State,
        }
        .at(moves)
        .encode();
        let Some(editor) = self.document.get_map(row).get_last_editor(&key) else {
            return false;
        };
        let (start, end) = (count(before, editor), count(&self.version(), editor));
        if editor == seen.peer || start >= end {
            return false;
        }
        let newest = self.newest(editor, before, searched);
        let written = newest.and_then(|newest| newest.get(&(row.to_owned(), key)).copied());
        let written = ID::new(editor, written.unwrap_or(end - 1));
        let past = self.document.frontiers_to_vv(&written.into());
        past.is_some_and(|past| count(&past, seen.peer) <= seen.counter)
    }

    /// Which keys of rows an editor has set after `before`, by the newest operation; `None` when they are none, or too many to be looked through.
    fn newest<'a>(
        &self,
        editor: u64,
        before: &VersionVector,
        searched: &'a mut Searched,
    ) -> Option<&'a Newest> {
        let (start, end) = (count(before, editor), count(&self.version(), editor));
        let is_searched = start < end && end - start <= SEARCHED_MAX;
        is_searched.then(|| {
            let newest = searched.0.entry(editor).or_insert_with(|| {
                let operations = operations(&self.document, IdSpan::new(editor, start, end));
                let newest = operations
                    .into_iter()
                    .map(|(operation, _, row, key, _)| ((row, key), operation));
                newest.collect()
            });
            &*newest
        })
    }
}
