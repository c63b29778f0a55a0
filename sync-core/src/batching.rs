//! How many rows the next transaction takes: [`Batching`]. No clock: the caller measures.

use std::time::Duration;

use crate::{
    config::Pacing,
    limits::{BATCH_ROWS_MAX, BATCH_ROWS_MIN, BATCH_ROWS_START, BATCH_TIME},
};

/// The batching policy of one pipeline.
///
/// Adaptive: batches double as long as there is more to do than fits and the transaction stays short, and halve when it takes too long. So a single change goes at once, a
/// backlog moves at full speed, and the write lock is never held for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batching {
    rows: usize,
    rows_min: usize,
    pacing: Option<Pacing>,
}

impl Batching {
    /// Adaptive, or at this pace.
    #[must_use]
    pub fn new(pacing: Option<Pacing>) -> Self {
        Self {
            rows: BATCH_ROWS_START,
            rows_min: BATCH_ROWS_MIN,
            pacing,
        }
    }

    /// At least this many rows, however long they take: for work with a large fixed cost.
    #[must_use]
    pub fn at_least(mut self, rows: usize) -> Self {
        self.rows_min = rows;
        self.rows = self.rows.max(rows);
        self
    }

    /// Most rows of the next batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.pacing.map_or(self.rows, |pacing| pacing.rows.max(1))
    }

    /// The pause after a batch.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        self.pacing.map(|pacing| pacing.pause)
    }

    /// Learns from a batch of `rows` that took `elapsed`.
    pub fn record(&mut self, rows: usize, elapsed: Duration) {
        if elapsed > BATCH_TIME * 2 {
            self.rows = (self.rows / 2).max(self.rows_min);
        } else if rows >= self.rows && elapsed < BATCH_TIME {
            self.rows = (self.rows * 2).min(BATCH_ROWS_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_quick_batches_grow_to_the_limit() {
        let mut batching = Batching::new(None);
        for _ in 0..10 {
            batching.record(batching.rows(), Duration::from_millis(1));
        }
        assert_eq!(batching.rows(), BATCH_ROWS_MAX);
    }

    #[test]
    fn slow_batches_shrink_to_the_limit_and_small_ones_change_nothing() {
        let mut batching = Batching::new(None);
        batching.record(1, Duration::from_micros(10));
        assert_eq!(batching.rows(), BATCH_ROWS_START);
        for _ in 0..10 {
            batching.record(batching.rows(), Duration::from_secs(1));
        }
        assert_eq!(batching.rows(), BATCH_ROWS_MIN);
    }

    #[test]
    fn work_with_a_large_fixed_cost_keeps_its_size_however_long_it_takes() {
        let mut batching = Batching::new(None).at_least(1000);
        for _ in 0..10 {
            batching.record(batching.rows(), Duration::from_secs(1));
        }
        assert_eq!(batching.rows(), 1000);
    }

    #[test]
    fn a_fixed_pace_does_not_adapt() {
        let pacing = Pacing {
            rows: 5,
            pause: Duration::from_millis(100),
        };
        let mut batching = Batching::new(Some(pacing));
        batching.record(5, Duration::ZERO);
        assert_eq!(
            (batching.rows(), batching.pause()),
            (5, Some(Duration::from_millis(100)))
        );
    }
}
