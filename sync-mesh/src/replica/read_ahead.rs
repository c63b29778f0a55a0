//! Rows that were read when they changed, kept for those who are told of the change and ask for them next: [`ReadAhead`].
//!
//! Loro takes as long to read a row as to merge it. A row is found by the position of its newest change, so one that has changed again is never taken for what it
//! is now. Whoever is late reads the row from its document.

use std::{cell::OnceCell, collections::BTreeMap};

use ditto_sync_core::document::Document;

use crate::{data::Row, limits::READ_AHEAD_BYTES_MAX};

/// Rows by the position of their newest change when they were read.
#[derive(Default)]
pub(super) struct ReadAhead {
    rows: BTreeMap<u64, Ahead>,
    bytes: usize,
}

/// A row as it was read.
pub(super) struct Ahead {
    pub(super) row: Row,
    /// Its document, once somebody had to know whether it matches.
    view: OnceCell<Option<Document>>,
}

impl Ahead {
    /// See [`Row::view`].
    pub(super) fn view(&self) -> Option<&Document> {
        self.view.get_or_init(|| self.row.view()).as_ref()
    }

    /// The same for the last one who asks.
    pub(super) fn into_view(self) -> Option<Document> {
        self.view.into_inner().unwrap_or_else(|| self.row.view())
    }
}

impl ReadAhead {
    /// Keeps a row that has changed at this position, and the newest of the others while there is room.
    pub(super) fn keep(&mut self, position: u64, row: Row) {
        self.bytes += row.bytes();
        let view = OnceCell::new();
        if let Some(former) = self.rows.insert(position, Ahead { row, view }) {
            self.bytes -= former.row.bytes();
        }
        while self.bytes > READ_AHEAD_BYTES_MAX
            && let Some((_, oldest)) = self.rows.pop_first()
        {
            self.bytes -= oldest.row.bytes();
        }
    }

    /// The row that has changed last at this position.
    pub(super) fn get(&self, position: u64) -> Option<&Ahead> {
        self.rows.get(&position)
    }

    /// The same for the last one who asks for it.
    pub(super) fn take(&mut self, position: u64) -> Option<Ahead> {
        let ahead = self.rows.remove(&position)?;
        self.bytes -= ahead.row.bytes();
        Some(ahead)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Positions may be used again, or there is nobody who asks.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use loro::LoroDoc;

    use super::*;

    fn row(bytes: usize) -> Row {
        let document = LoroDoc::new();
        let map = document.get_map("r");
        map.insert("=note", "x".repeat(bytes)).expect("it is written");
        Row::of(&map)
    }

    #[test]
    fn rows_are_found_once_by_their_newest_change() {
        let mut ahead = ReadAhead::default();
        ahead.keep(1, row(10));
        ahead.keep(2, row(20));
        assert!(ahead.get(1).is_some());
        assert_eq!(
            ahead.take(2).map(|ahead| ahead.row.bytes()),
            Some(row(20).bytes())
        );
        assert!(ahead.take(2).is_none());
        assert_eq!(ahead.bytes, row(10).bytes());
        ahead.clear();
        assert!(ahead.get(1).is_none());
    }

    #[test]
    fn the_oldest_rows_make_room_and_one_that_is_too_large_is_not_kept() {
        let mut ahead = ReadAhead::default();
        let third = READ_AHEAD_BYTES_MAX / 3;
        for position in 0..5 {
            ahead.keep(position, row(third));
            assert!(ahead.bytes <= READ_AHEAD_BYTES_MAX);
        }
        let kept: Vec<u64> = (0..5).filter(|position| ahead.get(*position).is_some()).collect();
        assert_eq!(kept, [3, 4]);
        ahead.keep(5, row(READ_AHEAD_BYTES_MAX));
        assert_eq!((ahead.rows.len(), ahead.bytes), (0, 0));
    }
}
