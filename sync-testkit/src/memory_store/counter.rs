//! A replicated counter: a base line that the last insert sets, and what each writer added since. See [`Counter`].

use ditto_sync_core::value::Value;

use super::stamp::{Stamp, Writer};

/// A counter. Increments belong to the epoch that the base line's stamp names; those of an older epoch are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    epoch: Stamp,
    start: CounterStart,
    /// Of this epoch only, sorted by writer. The bigger count of one writer is the newer.
    increments: Vec<Increments>,
}

/// Where a counter starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CounterStart {
    /// The document was written without it.
    Missing,
    /// Written as null.
    Null,
    /// At this value.
    At(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Increments {
    writer: Writer,
    count: u64,
    total: i64,
}

impl Counter {
    pub(super) fn new(epoch: Stamp, start: CounterStart) -> Self {
        Self {
            epoch,
            start,
            increments: Vec::new(),
        }
    }

    /// Goes on in the old epoch from another value: only without the rule that an insert restarts a counter.
    pub(super) fn continue_at(&mut self, restarted: &Self) {
        self.start = restarted.start;
    }

    pub(super) fn epoch(&self) -> Stamp {
        self.epoch
    }

    pub(super) fn has_writer(&self, writer: Writer) -> bool {
        self.increments.iter().any(|of| of.writer == writer)
    }

    /// The base line and all increments, wrapping; `None` when the field is missing.
    pub(super) fn value(&self) -> Option<Value> {
        let start = match self.start {
            CounterStart::At(start) => start,
            CounterStart::Missing if self.increments.is_empty() => return None,
            CounterStart::Null if self.increments.is_empty() => return Some(Value::Null),
            CounterStart::Missing | CounterStart::Null => 0,
        };
        let total = self
            .increments
            .iter()
            .fold(start, |sum, of| sum.wrapping_add(of.total));
        Some(Value::Int(total))
    }

    pub(super) fn increment(&mut self, writer: Writer, amount: i64) {
        let at = match self.increments.binary_search_by_key(&writer, |of| of.writer) {
            Ok(at) => at,
            Err(at) => {
                self.increments.insert(
                    at,
                    Increments {
                        writer,
                        count: 0,
                        total: 0,
                    },
                );
                at
            }
        };
        let mine = &mut self.increments[at];
        mine.count += 1;
        mine.total = mine.total.wrapping_add(amount);
    }

    pub(super) fn merge(&mut self, theirs: &Self) {
        if theirs.epoch < self.epoch {
            return;
        }
        if theirs.epoch > self.epoch {
            self.clone_from(theirs);
            return;
        }
        self.start = self.start.max(theirs.start);
        for of in &theirs.increments {
            match self
                .increments
                .binary_search_by_key(&of.writer, |mine| mine.writer)
            {
                Ok(at) if of.count > self.increments[at].count => self.increments[at] = *of,
                Ok(_) => {}
                Err(at) => self.increments.insert(at, *of),
            }
        }
    }
}
