//! When changes from the store are too many to be applied unasked: [`MassChangeLimit`], and what counts as one ([`Effect`]).
//!
//! Plain decisions. Not here: what becomes of changes that are held (`coordinator`).

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    limits::{BURST_GATHERED_FROM, MASS_CHANGE_SHARE, MASS_CHANGE_TABLE_ROWS_MIN, MASS_CHANGE_WINDOW},
    merge::{Inbound, RowChange, RowState},
};

/// How many rows of one table changes from the store may delete, or overwrite, within a while before somebody is asked.
///
/// ```
/// use ditto_sync_core::breaker::MassChangeLimit;
/// use ditto_sync_core::config::SyncConfig;
///
/// let careful = MassChangeLimit { share: 0.2, rows: Some(5_000), ..MassChangeLimit::default() };
/// let config = SyncConfig::adaptive()
///     .mass_change_limit(careful)
///     .mass_change_limit_of("drafts", None); // come and go by the hundred
/// assert!(config.mass_change_limit_for("drafts").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MassChangeLimit {
    /// The share of the table's synced rows, from 0 to 1; more than it is held. 0.5 by default.
    pub share: f64,
    /// More rows than this are held, however large the table. `None`, the default: the share alone decides.
    pub rows: Option<u64>,
    /// Tables with fewer synced rows are left alone. 100 by default.
    pub table_rows_min: u64,
    /// Whether overwritten values of existing rows count beside deletes. Off by default: a new price list changes every row, and is what a sync is for.
    pub overwrites: bool,
    /// Changes count together for this long, because one mass change arrives in many pieces. A minute by default.
    pub window: Duration,
}

impl Default for MassChangeLimit {
    fn default() -> Self {
        Self {
            share: MASS_CHANGE_SHARE,
            rows: None,
            table_rows_min: MASS_CHANGE_TABLE_ROWS_MIN,
            overwrites: false,
            window: MASS_CHANGE_WINDOW,
        }
    }
}

/// What a change from the store does to a row that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// No row loses anything: it is new, unchanged, merged into what is unsent, or leaves the scope.
    Harmless,
    /// The row is deleted.
    Delete,
    /// The row gets other values.
    Overwrite,
}

/// What to do with changes that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Apply them.
    Go,
    /// Wait for a moment whether more follow: this may be the beginning of a mass change.
    Gather,
    /// Ask first.
    Hold,
}

/// The changes of one table that count together. Durable with them, so that a crash in the middle of a mass change does not start the count anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// When it began, on the wall clock.
    pub since: SystemTime,
    /// Rows deleted since.
    pub deletes: u64,
    /// Rows overwritten since; zero unless these count.
    pub overwrites: u64,
    /// More changes are held until somebody decides.
    pub held: bool,
}

impl Burst {
    /// One that begins now.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self {
            since: now,
            deletes: 0,
            overwrites: 0,
            held: false,
        }
    }

    /// Counts one change.
    pub fn count(&mut self, effect: Effect) {
        match effect {
            Effect::Harmless => {}
            Effect::Delete => self.deletes += 1,
            Effect::Overwrite => self.overwrites += 1,
        }
    }

    /// Whether what comes at `now` counts with it. A clock that was set back ends it.
    #[must_use]
    pub fn lasts(&self, limit: &MassChangeLimit, now: SystemTime) -> bool {
        self.held || now.duration_since(self.since).is_ok_and(|age| age < limit.window)
    }
}

impl MassChangeLimit {
    /// Whether this limit counts a change.
    #[must_use]
    pub fn counts(&self, effect: Effect) -> bool {
        match effect {
            Effect::Harmless => false,
            Effect::Delete => true,
            Effect::Overwrite => self.overwrites,
        }
    }

    /// Decides about `waiting` changes that count: the table has `rows` synced rows now, and `burst` is what was applied of late.
    #[must_use]
    pub fn judge(&self, rows: u64, burst: Option<&Burst>, waiting: u64) -> Verdict {
        let (deleted, overwritten) = burst.map_or((0, 0), |burst| (burst.deletes, burst.overwrites));
        let before = rows.saturating_add(deleted);
        if waiting == 0 || before < self.table_rows_min {
            return Verdict::Go;
        }
        let changes = deleted.saturating_add(overwritten).saturating_add(waiting);
        let most = self.most_of(before);
        if changes > most {
            Verdict::Hold
        } else if changes > most / BURST_GATHERED_FROM {
            Verdict::Gather
        } else {
            Verdict::Go
        }
    }

    /// The most rows that may change of a table of so many.
    fn most_of(&self, rows: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of rows: casts saturate, and a row more or less does not matter"
        )]
        let share = (rows as f64 * self.share) as u64;
        share.min(self.rows.unwrap_or(u64::MAX))
    }
}

/// What a decision of [`merge::inbound`](crate::merge::inbound) does to the row it was made for.
#[must_use]
pub fn effect(state: &RowState, decision: &Inbound) -> Effect {
    match (&decision.row, &state.row) {
        (RowChange::Delete, _) => Effect::Delete,
        (RowChange::Put(image), Some(row)) if image != row => Effect::Overwrite,
        // The row of a clean and known one may have been left out.
        (RowChange::Put(_), None) if state.known.is_some() => Effect::Overwrite,
        _ => Effect::Harmless,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn burst(deletes: u64) -> Burst {
        Burst {
            deletes,
            ..Burst::new(NOW)
        }
    }

    #[test]
    fn more_than_half_of_a_table_is_held_and_half_is_not() {
        let limit = MassChangeLimit::default();
        assert_eq!(limit.judge(1000, None, 501), Verdict::Hold);
        assert_eq!(limit.judge(1000, None, 500), Verdict::Gather);
        assert_eq!(limit.judge(1000, None, 62), Verdict::Go);
        assert_eq!(limit.judge(1000, None, 0), Verdict::Go);
    }

    #[test]
    fn small_tables_are_left_alone() {
        let limit = MassChangeLimit::default();
        assert_eq!(limit.judge(99, None, 99), Verdict::Go);
        assert_eq!(limit.judge(100, None, 99), Verdict::Hold);
        assert_eq!(
            limit.judge(60, Some(&burst(45)), 10),
            Verdict::Hold,
            "what counts is how large it was before the burst"
        );
    }

    #[test]
    fn a_number_of_rows_limits_large_tables() {
        let limit = MassChangeLimit {
            rows: Some(1000),
            ..MassChangeLimit::default()
        };
        assert_eq!(limit.judge(1_000_000, None, 1001), Verdict::Hold);
        assert_ne!(limit.judge(1_000_000, None, 1000), Verdict::Hold);
        assert_eq!(
            limit.judge(1000, None, 501),
            Verdict::Hold,
            "the share still counts"
        );
    }

    #[test]
    fn a_burst_ends_with_its_window_unless_something_is_held() {
        let limit = MassChangeLimit::default();
        let mut burst = burst(1);
        assert!(burst.lasts(&limit, NOW + Duration::from_secs(59)));
        assert!(!burst.lasts(&limit, NOW + Duration::from_secs(60)));
        assert!(!burst.lasts(&limit, NOW - Duration::from_secs(1)));
        burst.held = true;
        assert!(burst.lasts(&limit, NOW + Duration::from_secs(3600)));
    }

    proptest! {
        /// However a mass change is cut into pieces, no more than the limit is applied before it is held.
        #[test]
        fn no_more_than_the_limit_is_applied_in_pieces(
            rows in 100_u64..5000,
            share in 0.0_f64..1.0,
            pieces in proptest::collection::vec(1_u64..400, 1..40),
        ) {
            let limit = MassChangeLimit { share, ..MassChangeLimit::default() };
            let (mut left, mut burst) = (rows, burst(0));
            for piece in pieces {
                let piece = piece.min(left);
                if limit.judge(left, Some(&burst), piece) != Verdict::Hold {
                    burst.deletes += piece;
                    left -= piece;
                }
            }
            prop_assert!(burst.deletes <= limit.most_of(rows));
        }

        /// More changes, or a smaller limit, are never judged more mildly.
        #[test]
        fn a_verdict_never_gets_milder_with_more_changes(
            rows in 0_u64..5000, fewer in 0_u64..5000, more in 0_u64..5000, applied in 0_u64..100,
        ) {
            let limit = MassChangeLimit::default();
            let severity = |changes| match limit.judge(rows, Some(&burst(applied)), changes) {
                Verdict::Go => 0,
                Verdict::Gather => 1,
                Verdict::Hold => 2,
            };
            prop_assert!(severity(fewer.min(more)) <= severity(fewer.max(more)));
        }
    }
}
