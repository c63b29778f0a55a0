//! What happened to rows lately: [`History`], a bounded ring for [`explain`](super::SyncHandle::explain).

use std::{collections::VecDeque, time::SystemTime};

use crate::{explain::HistoryEvent, hash::IdHash, id::DocumentId, limits::HISTORY_EVENTS_KEPT};

/// The newest events of all rows.
#[derive(Debug, Default)]
pub(super) struct History {
    events: VecDeque<(SystemTime, &'static str, IdHash, HistoryEvent)>,
}

impl History {
    pub(super) fn note(
        &mut self,
        at: SystemTime,
        (collection, id): (&'static str, &DocumentId),
        event: HistoryEvent,
    ) {
        if self.events.len() == HISTORY_EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back((at, collection, IdHash::of(id), event));
    }

    /// Oldest first.
    pub(super) fn of(&self, collection: &str, id: &DocumentId) -> Vec<(SystemTime, HistoryEvent)> {
        let id = IdHash::of(id);
        let events = self.events.iter();
        events
            .filter(|(_, of, row, _)| *of == collection && *row == id)
            .map(|(at, _, _, event)| (*at, event.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_events_and_tells_those_of_one_row() {
        let mut history = History::default();
        let row = DocumentId::integer(1);
        for _ in 0..HISTORY_EVENTS_KEPT {
            history.note(SystemTime::UNIX_EPOCH, ("notes", &row), HistoryEvent::Echoed);
        }
        let other = DocumentId::integer(2);
        history.note(SystemTime::UNIX_EPOCH, ("notes", &other), HistoryEvent::Applied);
        assert_eq!(history.of("notes", &row).len(), HISTORY_EVENTS_KEPT - 1);
        assert_eq!(history.of("notes", &other).len(), 1);
        assert_eq!(history.of("others", &other), []);
    }
}
